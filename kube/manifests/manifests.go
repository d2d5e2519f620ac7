// Package manifests makes the objects by which fleetup runs inside a cluster, at set times: a CronJob, the
// ServiceAccount with exactly the rights that it needs, and a ConfigMap with its inventory.
//
//	objects := manifests.Job{Name: "fleetup-prod", Namespace: "kube-system", Image: image, Schedules: windows, …}.Objects()
//
// It is a pure function of plain values. Secrets are referred to by name, never read.
//
// What keeps the runner from draining itself: it knows its own node by the downward API, and takes it last. Once it has
// cordoned that one too it ends (exit 130), which the Job isn't charged for; the next pod can only start elsewhere, and goes on.
package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fleetup/fleetup/kube"
)

// Job says what runs, when, and with what.
type Job struct {
	Name      string // of all objects
	Namespace string
	Image     string
	Args      []string // of fleetup
	Schedules []Schedule

	Rules   []kube.Rule       // what the ServiceAccount may
	Files   map[string]string // path below Folder → text: the inventory and its playbooks
	Secrets []Mounted         // files out of Secrets
	Env     map[string]string // variable → the Secret that holds it, under its own name as the key

	Claim string // PersistentVolumeClaim for the journals; "": they go with the pod, and the nodes' annotations remain
	Size  string // of the claim, "1Gi"
}

// Schedule is one time to start.
type Schedule struct {
	Cron     string
	Timezone string
	Open     time.Duration // how long it makes sense to begin; 0: an hour
	Deadline time.Duration // after which a pod is ended, whatever it is at: beyond the end of all that may be in flight; 0: never
}

// Mounted is a file in the pod that comes out of a Secret: one key of it, or all keys as files of a folder where Key is "".
type Mounted struct {
	Secret, Key string
	Path        string
}

// Where things are in the pod.
const (
	Folder = "/etc/fleetup"     // the inventory, and what it names relative to itself
	Home   = "/home/fleetup"    // ~
	State  = "/var/lib/fleetup" // journals
)

// user is distroless' nonroot.
const user = 65532

// Exit codes of fleetup that decide what becomes of a Job.
const (
	exitInterrupted = 130
	mostRetries     = 6 // of a pod that crashed, or whose node died
)

// verdicts are the exit codes after which another try would say the same.
var verdicts = []int32{1, 3, 4, 5, 64, 65}

// Object is one object, with what the API calls its kind.
type Object struct {
	Resource string // plural.group
	Value    metav1.Object
}

// Objects are all objects, in the order in which they have to be made.
func (j Job) Objects() []Object {
	objects := []Object{
		{"serviceaccounts", &corev1.ServiceAccount{TypeMeta: kind("v1", "ServiceAccount"), ObjectMeta: j.meta(j.Name, j.Namespace)}},
	}
	objects = append(objects, j.rights()...)
	objects = append(objects, Object{"configmaps", j.configMap()})
	if j.Claim != "" {
		objects = append(objects, Object{"persistentvolumeclaims", j.claim()})
	}
	for i, s := range j.Schedules {
		name := j.Name
		if len(j.Schedules) > 1 {
			name = fmt.Sprintf("%s-%d", j.Name, i+1)
		}
		objects = append(objects, Object{"cronjobs.batch", j.cronJob(name, s)})
	}
	return objects
}

func kind(version, name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: name}
}

func (j Job) labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "fleetup", "app.kubernetes.io/instance": j.Name}
}

func (j Job) meta(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: j.labels()}
}

// rights are a ClusterRole for what isn't in one namespace, a Role for each namespace, and their bindings.
func (j Job) rights() []Object {
	byNamespace := map[string][]rbacv1.PolicyRule{}
	for _, r := range j.Rules {
		rule := rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: []string{r.Resource}, Verbs: r.Verbs}
		if r.Name != "" {
			rule.ResourceNames = []string{r.Name}
		}
		byNamespace[r.Namespace] = append(byNamespace[r.Namespace], rule)
	}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: j.Name, Namespace: j.Namespace}}
	const rbac = "rbac.authorization.k8s.io"
	var objects []Object
	for _, ns := range slices.Sorted(maps.Keys(byNamespace)) {
		rules := byNamespace[ns]
		if ns == "" {
			ref := rbacv1.RoleRef{APIGroup: rbac, Kind: "ClusterRole", Name: j.Name}
			objects = append(objects,
				Object{"clusterroles." + rbac, &rbacv1.ClusterRole{TypeMeta: kind(rbac+"/v1", "ClusterRole"), ObjectMeta: j.meta(j.Name, ""), Rules: rules}},
				Object{"clusterrolebindings." + rbac, &rbacv1.ClusterRoleBinding{
					TypeMeta: kind(rbac+"/v1", "ClusterRoleBinding"), ObjectMeta: j.meta(j.Name, ""), Subjects: subjects, RoleRef: ref,
				}})
			continue
		}
		ref := rbacv1.RoleRef{APIGroup: rbac, Kind: "Role", Name: j.Name}
		objects = append(objects,
			Object{"roles." + rbac, &rbacv1.Role{TypeMeta: kind(rbac+"/v1", "Role"), ObjectMeta: j.meta(j.Name, ns), Rules: rules}},
			Object{"rolebindings." + rbac, &rbacv1.RoleBinding{
				TypeMeta: kind(rbac+"/v1", "RoleBinding"), ObjectMeta: j.meta(j.Name, ns), Subjects: subjects, RoleRef: ref,
			}})
	}
	return objects
}

// configMap holds the files under keys, since a key has no slashes.
func (j Job) configMap() *corev1.ConfigMap {
	data := map[string]string{}
	for i, path := range slices.Sorted(maps.Keys(j.Files)) {
		data[fileKey(i)] = j.Files[path]
	}
	return &corev1.ConfigMap{TypeMeta: kind("v1", "ConfigMap"), ObjectMeta: j.meta(j.Name, j.Namespace), Data: data}
}

func fileKey(i int) string { return "file-" + strconv.Itoa(i) }

func (j Job) claim() *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		TypeMeta: kind("v1", "PersistentVolumeClaim"), ObjectMeta: j.meta(j.Claim, j.Namespace),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: quantity(j.Size)}},
		},
	}
}

// JSON is the object as the API takes it, without what only the server sets.
func (o Object) JSON() ([]byte, error) {
	body, err := json.Marshal(o.Value)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	return json.Marshal(pruned(m))
}

// pruned leaves out status and null timestamps, which typed objects always write.
func pruned(m map[string]any) map[string]any {
	delete(m, "status")
	for key, value := range m {
		switch value := value.(type) {
		case nil:
			delete(m, key)
		case map[string]any:
			if pruned(value); len(value) == 0 && (key == "resources" || key == "metadata" || key == "strategy") {
				delete(m, key)
			}
		}
	}
	return m
}
