package kubetest

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

// serveOther serves what is not a stored resource: health, version and discovery.
func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) {
	if s.interfere(&recorder{ResponseWriter: w}, r) {
		return
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch path {
	case "/readyz", "/livez", "/healthz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok"))
		return
	case "/version":
		writeJSON(w, http.StatusOK, encode(s.version()))
		return
	case "/api":
		writeJSON(w, http.StatusOK, encode(metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
		}))
		return
	case "/apis":
		writeJSON(w, http.StatusOK, encode(groupList()))
		return
	}
	if group := apiGroup(path); group != nil {
		writeJSON(w, http.StatusOK, encode(group))
		return
	}
	if list := resourceList(path); len(list.APIResources) > 0 {
		writeJSON(w, http.StatusOK, encode(list))
		return
	}
	writeJSON(w, http.StatusNotFound, encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: http.StatusNotFound,
		Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource",
	}))
}

func (s *Server) version() version.Info {
	s.mu.Lock()
	v := s.config.Version
	s.mu.Unlock()
	parts := append(strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3), "", "")
	return version.Info{Major: parts[0], Minor: parts[1], GitVersion: v, GitTreeState: "clean", Platform: "linux/amd64"}
}

// SetVersion changes what /version answers, as an upgrade of the control plane does.
func (s *Server) SetVersion(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Version = v
}

func groupList() metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	seen := map[string]bool{"": true}
	for _, k := range append(kinds[:len(kinds):len(kinds)], accessReviews) {
		if !seen[k.group] {
			seen[k.group] = true
			v := metav1.GroupVersionForDiscovery{GroupVersion: k.apiVersion(), Version: k.version}
			list.Groups = append(list.Groups, metav1.APIGroup{
				Name: k.group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v,
			})
		}
	}
	return list
}

// resourceList describes one group's resources; empty for a path that names none.
func resourceList(path string) metav1.APIResourceList {
	gv := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api/")
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv}
	for _, k := range kinds {
		if k.apiVersion() != gv {
			continue
		}
		r := metav1.APIResource{Name: k.resource, Kind: k.name, Namespaced: k.namespaced, Verbs: allVerbs}
		if k.short != "" {
			r.ShortNames = []string{k.short}
		}
		list.APIResources = append(list.APIResources, r)
		if k.status {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: k.resource + "/status", Kind: k.name, Namespaced: k.namespaced, Verbs: []string{"get", "patch", "update"},
			})
		}
	}
	switch gv {
	case "v1":
		list.APIResources = append(list.APIResources, metav1.APIResource{
			Name: "pods/eviction", Kind: "Eviction", Group: "policy", Version: "v1", Namespaced: true, Verbs: []string{"create"},
		})
	case accessReviews.apiVersion():
		for _, k := range []*kind{accessReviews, rulesReviews} {
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: k.resource, Kind: k.name, Verbs: []string{"create"}})
		}
	}
	return list
}
