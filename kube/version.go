package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilversion "k8s.io/apimachinery/pkg/util/version"
)

// ServerVersion is the oldest and the newest version among the API servers: the one that answers /version, and the
// images of the kube-apiserver pods. While a control plane is being upgraded they differ, and a kubelet must not be
// newer than the oldest.
func (c *Cluster) ServerVersion(ctx context.Context) (oldest, newest string, err error) {
	return c.ServerVersions(ctx, c.pods.all())
}

// ServerVersions is the same by pods that the caller has read: Start isn't needed.
func (c *Cluster) ServerVersions(ctx context.Context, pods []*corev1.Pod) (oldest, newest string, err error) {
	body, err := c.core.RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", "", explain("ask the API server's version", err)
	}
	var answer struct{ GitVersion string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.GitVersion == "" {
		return "", "", fmt.Errorf("ask the API server's version: not understood: %.80q", body)
	}
	var images []string
	for _, p := range pods {
		if p.Namespace == "kube-system" && p.Labels["component"] == "kube-apiserver" && !finished(p) {
			for _, container := range p.Spec.Containers {
				images = append(images, container.Image)
			}
		}
	}
	oldest, newest = versionRange(answer.GitVersion, images)
	return oldest, newest, nil
}

// versionRange takes in the images whose tag is a version; a digest or another tag says nothing.
func versionRange(answered string, images []string) (oldest, newest string) {
	oldest, newest = answered, answered
	for _, image := range images {
		image, _, _ = strings.Cut(image, "@")
		name, tag, ok := cutLast(image, ":")
		if !ok || !strings.HasSuffix(name, "kube-apiserver") {
			continue
		}
		if olderVersion(tag, oldest) {
			oldest = tag
		}
		if olderVersion(newest, tag) {
			newest = tag
		}
	}
	return oldest, newest
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func olderVersion(a, b string) bool {
	x, errA := utilversion.ParseSemantic(a)
	y, errB := utilversion.ParseSemantic(b)
	return errA == nil && errB == nil && x.LessThan(y)
}
