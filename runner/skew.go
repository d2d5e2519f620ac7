package runner

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
)

// oldestKubelet is how many minors a kubelet may be older than the newest API server.
// Source: https://kubernetes.io/releases/version-skew-policy/#kubelet
const oldestKubelet = 3

// Skew returns why a kubelet of the wanted version must not run beside these API servers, "" if it may. Minors count,
// patches never do. kubeadm is the version that the same run upgrades the control plane to first, "" if it doesn't.
func Skew(kubelet, oldestAPI, newestAPI, kubeadm string) string {
	want, err := version.ParseGeneric(kubelet)
	if kubelet == "" || err != nil {
		return ""
	}
	oldest, err := version.ParseGeneric(oldestAPI)
	if err != nil {
		return ""
	}
	newest, err := version.ParseGeneric(newestAPI)
	if err != nil {
		newest = oldest
	}
	if target, err := version.ParseGeneric(kubeadm); err == nil && kubeadm != "" {
		oldest, newest = target, target
	}
	switch {
	case minor(want) > minor(oldest):
		return fmt.Sprintf("kubelet %s is newer than the oldest API server (%s): upgrade the control plane first (upgrade.kubeadm)", want, oldest)
	case minor(newest)-minor(want) > oldestKubelet:
		return fmt.Sprintf("kubelet %s is more than %d minors older than the newest API server (%s)", want, oldestKubelet, newest)
	}
	return ""
}

// minor counts minors over majors, so that they can be subtracted.
func minor(v *version.Version) int { return int(v.Major())*1000 + int(v.Minor()) }

// kubeadmTarget is the version that this run upgrades the control plane to, "" if it doesn't.
func kubeadmTarget(found map[string]*Surveyed) string {
	for _, v := range found {
		if v.Work.ControlPlane && v.Work.KubeadmVersion != "" {
			return v.Work.KubeadmVersion
		}
	}
	return ""
}
