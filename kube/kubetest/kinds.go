package kubetest

import (
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Object is any object that the server stores.
type Object interface {
	metav1.Object
	runtime.Object
}

// kind is one resource that the server serves.
type kind struct {
	group, version, resource, name, short string
	namespaced                            bool
	status                                bool // has a status subresource
	generation                            bool // counts changes of the spec
	locked                                bool // an update must name a resourceVersion
	goType                                reflect.Type
}

func (k *kind) new() Object { return reflect.New(k.goType).Interface().(Object) }

func (k *kind) gr() schema.GroupResource {
	return schema.GroupResource{Group: k.group, Resource: k.resource}
}
func (k *kind) gk() schema.GroupKind { return schema.GroupKind{Group: k.group, Kind: k.name} }

func (k *kind) apiVersion() string {
	return schema.GroupVersion{Group: k.group, Version: k.version}.String()
}

// features of a kind, for the table below.
const (
	inNamespace = 1 << iota
	hasStatus
	hasGeneration
	mustLock
)

func newKind(group string, obj Object, name, resource, short string, features int) *kind {
	return &kind{
		group: group, version: "v1", resource: resource, name: name, short: short, goType: reflect.TypeOf(obj).Elem(),
		namespaced: features&inNamespace != 0, status: features&hasStatus != 0,
		generation: features&hasGeneration != 0, locked: features&mustLock != 0,
	}
}

const workload = inNamespace | hasStatus | hasGeneration

var (
	nodes          = newKind("", &corev1.Node{}, "Node", "nodes", "no", hasStatus)
	pods           = newKind("", &corev1.Pod{}, "Pod", "pods", "po", workload)
	services       = newKind("", &corev1.Service{}, "Service", "services", "svc", inNamespace|hasStatus)
	events         = newKind("", &corev1.Event{}, "Event", "events", "ev", inNamespace)
	namespaces     = newKind("", &corev1.Namespace{}, "Namespace", "namespaces", "ns", hasStatus)
	configMaps     = newKind("", &corev1.ConfigMap{}, "ConfigMap", "configmaps", "cm", inNamespace)
	secrets        = newKind("", &corev1.Secret{}, "Secret", "secrets", "", inNamespace)
	volumes        = newKind("", &corev1.PersistentVolume{}, "PersistentVolume", "persistentvolumes", "pv", hasStatus)
	claims         = newKind("", &corev1.PersistentVolumeClaim{}, "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", inNamespace|hasStatus)
	quotas         = newKind("", &corev1.ResourceQuota{}, "ResourceQuota", "resourcequotas", "quota", inNamespace|hasStatus)
	limitRanges    = newKind("", &corev1.LimitRange{}, "LimitRange", "limitranges", "limits", inNamespace)
	accounts       = newKind("", &corev1.ServiceAccount{}, "ServiceAccount", "serviceaccounts", "sa", inNamespace)
	budgets        = newKind("policy", &policyv1.PodDisruptionBudget{}, "PodDisruptionBudget", "poddisruptionbudgets", "pdb", workload|mustLock)
	deployments    = newKind("apps", &appsv1.Deployment{}, "Deployment", "deployments", "deploy", workload)
	replicaSets    = newKind("apps", &appsv1.ReplicaSet{}, "ReplicaSet", "replicasets", "rs", workload)
	statefulSets   = newKind("apps", &appsv1.StatefulSet{}, "StatefulSet", "statefulsets", "sts", workload)
	daemonSets     = newKind("apps", &appsv1.DaemonSet{}, "DaemonSet", "daemonsets", "ds", workload)
	endpointSlices = newKind("discovery.k8s.io", &discoveryv1.EndpointSlice{}, "EndpointSlice", "endpointslices", "", inNamespace)
	leases         = newKind("coordination.k8s.io", &coordinationv1.Lease{}, "Lease", "leases", "", inNamespace|mustLock)
	machines       = newKind("cluster.x-k8s.io", &Machine{}, "Machine", "machines", "", inNamespace)
	csiNodes       = newKind("storage.k8s.io", &storagev1.CSINode{}, "CSINode", "csinodes", "", 0)
	attachments    = newKind("storage.k8s.io", &storagev1.VolumeAttachment{}, "VolumeAttachment", "volumeattachments", "", hasStatus)
)

var kinds = []*kind{
	nodes, pods, services, events, namespaces, configMaps, secrets, volumes, claims, quotas, limitRanges, accounts, budgets,
	deployments, replicaSets, statefulSets, daemonSets, endpointSlices, leases, csiNodes, attachments, machines,
}

// kindOf finds the kind that stores such objects; nil if none does.
func kindOf(obj Object) *kind { return kindOfType(reflect.TypeOf(obj)) }

func kindOfType(t reflect.Type) *kind {
	for _, k := range kinds {
		if t == reflect.PointerTo(k.goType) {
			return k
		}
	}
	return nil
}

// findKind finds a kind by what a request's path says.
func findKind(group, version, resource string) *kind {
	for _, k := range kinds {
		if k.group == group && k.version == version && k.resource == resource {
			return k
		}
	}
	return nil
}

// structField returns the named field of the struct behind obj, such as Spec or Status; an invalid Value if it has none.
func structField(obj Object, name string) reflect.Value {
	return reflect.ValueOf(obj).Elem().FieldByName(name)
}
