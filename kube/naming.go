package kube

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	storagev1 "k8s.io/api/storage/v1"
)

// whyStill says what keeps a pod that is to go: its grace, or a finalizer and whose that is. now is the server's time.
func whyStill(p pod, now time.Time) string {
	name := "pod " + keyOf(p)
	if !ending(p) {
		return name + " is evicted and hasn't begun to end"
	}
	left := p.DeletionTimestamp.Sub(now)
	switch {
	case len(p.Finalizers) > 0:
		return name + graceLeft(left) + ": " + finalizersOf(p) + " must let it go"
	case left > 0:
		return name + " ends" + graceLeft(left)
	}
	return fmt.Sprintf("%s should have ended %s ago: its kubelet hasn't confirmed it (a process that doesn't die, or a volume that hangs)", name, roughly(-left))
}

func graceLeft(left time.Duration) string {
	if left <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%s of grace left)", roughly(left))
}

// roughly is coarse, so that a text which counts down isn't a new one each second.
func roughly(d time.Duration) string {
	switch {
	case d <= 10*time.Second:
		return "under 10s"
	case d <= time.Minute:
		return (d - d%(10*time.Second)).String()
	}
	return strings.TrimSuffix((d - d%time.Minute).String(), "0s")
}

// finalizersOf names a pod's finalizers, who put each there, and the pod's controller.
func finalizersOf(p pod) string {
	var list []string
	for _, finalizer := range p.Finalizers {
		text := finalizer
		if manager := finalizerManager(p, finalizer); manager != "" {
			text += " (set by " + manager + ")"
		}
		list = append(list, text)
	}
	text := "finalizer " + strings.Join(list, ", ")
	if owner := ownerOf(p); owner != "" {
		text += " of a pod of " + owner
	}
	return text
}

// finalizerManager is the client that added the finalizer, as the API server recorded it; "" where it didn't.
func finalizerManager(p pod, finalizer string) string {
	for _, entry := range p.ManagedFields {
		var fields struct {
			Metadata struct {
				Finalizers map[string]json.RawMessage `json:"f:finalizers"`
			} `json:"f:metadata"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, ok := fields.Metadata.Finalizers[`v:"`+finalizer+`"`]; ok {
			return entry.Manager
		}
	}
	return ""
}

// whyAttached says which volume hasn't left the node.
func (c *Cluster) whyAttached(a *storagev1.VolumeAttachment) string {
	text := "volume " + volumeOf(a)
	if v, ok := c.volumes.get(volumeOf(a)); ok && claimOf(v) != "" {
		text += " (claim " + claimOf(v) + ")"
	}
	text += " is still attached by " + a.Spec.Attacher
	if a.Status.DetachError != nil {
		text += ": " + a.Status.DetachError.Message
	}
	return text
}

// volumeOf is the PersistentVolume's name, or the attachment's own where the volume is written in line.
func volumeOf(a *storagev1.VolumeAttachment) string {
	if name := a.Spec.Source.PersistentVolumeName; name != nil {
		return *name
	}
	return a.Name
}
