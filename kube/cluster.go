package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	appsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryv1 "k8s.io/client-go/kubernetes/typed/discovery/v1"
	policyv1 "k8s.io/client-go/kubernetes/typed/policy/v1"
	storagev1 "k8s.io/client-go/kubernetes/typed/storage/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says which cluster, and how it is reached.
type Config struct {
	Kubeconfig string // "": $KUBECONFIG, ~/.kube/config, then the pod's own service account
	Context    string // "": the file's current one
	Namespace  string // where the Lease lives; "": kube-system
	// Dial replaces the TCP dialler; nil: the usual one.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Boottime is the clock that leases are held by: it must go on while the machine sleeps. nil: CLOCK_BOOTTIME.
	// Tests in virtual time set one that follows time.Now.
	Boottime func() time.Duration
	// Extra are rights that the command will need besides those of every run: named together where the user may not even watch.
	Extra []Rule
	// Looks: the user is one that may look alone (LookRules), and isn't held against what a run needs.
	Looks bool
}

// Cluster is one cluster as a run sees it. Its methods may be called from any goroutine; those that read (Nodes,
// PlanDrain, Stranded, …) need Start first and send no request.
type Cluster struct {
	namespace string
	address   string // of the API server, as the kubeconfig has it
	boottime  func() time.Duration
	extra     []Rule
	looks     bool
	http      *http.Client
	date      dateClock
	clients
	tables

	proof    *Proof
	stranded stranded
	pace     pace
	moves    moves
	ahead    ahead
	changes  signal       // a node changed, or what keeps our evicted pods from being placed
	holdings holdings     // what this process has to give back
	outage   outage       // what writes wait for
	guard    guard        // what must hold for claims and evictions
	sending  chan bool    // evictions under way, over all nodes
	trouble  apiTrouble   // why the watches stand still, if they do
	told     *eventSender // Events on their way
	owned    sync.WaitGroup
	stop     context.CancelFunc // ends what is owned
	started  time.Time          // when the watches had all there is, by the API server's clock
}

type clients struct {
	core         *corev1.CoreV1Client
	apps         *appsv1.AppsV1Client
	policy       *policyv1.PolicyV1Client
	discovery    *discoveryv1.DiscoveryV1Client
	coordination *coordinationv1.CoordinationV1Client
	storage      *storagev1.StorageV1Client
	auth         *authorizationv1.AuthorizationV1Client
}

const (
	defaultNamespace = "kube-system"
	parallelRequests = 32               // evictions sent at once, over all nodes
	requestTimeout   = 10 * time.Second // of an eviction or a write; less than a lease has left when it counts as held
)

// Open reads the configuration and prepares the clients. It sends nothing.
func Open(c Config) (*Cluster, error) {
	config, err := restConfig(c)
	if err != nil {
		return nil, err
	}
	k := &Cluster{namespace: c.Namespace, address: config.Host, boottime: c.Boottime, extra: c.Extra, looks: c.Looks, sending: make(chan bool, parallelRequests)}
	if k.namespace == "" {
		k.namespace = defaultNamespace
	}
	if k.boottime == nil {
		k.boottime = systemBoottime
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &datedTransport{next, &k.date} })
	if k.http, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	if err := k.clients.open(config, k.http); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	k.tables = newTables()
	k.proof = newProof(k)
	k.told = newEventSender()
	k.changes.init()
	k.hook()
	return k, nil
}

// Close drops idle connections. Call it after Wait.
func (c *Cluster) Close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

func restConfig(c Config) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("no cluster: neither a kubeconfig ($KUBECONFIG, ~/.kube/config) nor a pod's service account; set cluster.kubeconfig: %w", err)
	}
	if err != nil && c.Kubeconfig != "" && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("kubeconfig %s: %w; `kubectl --kubeconfig %[1]s config get-contexts` shows what it holds", c.Kubeconfig, err)
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	config.UserAgent = "fleetup"
	config.QPS = -1                                                                         // the server's own priority and fairness decides; we never send in a tight loop
	config.ContentType = runtime.ContentTypeJSON                                            // what we send is small, and readable in an audit log
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON // what we watch isn't
	if c.Dial != nil {
		config.Dial = c.Dial
	}
	return config, nil
}

func (c *clients) open(config *rest.Config, client *http.Client) error {
	var errs [7]error
	c.core, errs[0] = corev1.NewForConfigAndClient(config, client)
	c.apps, errs[1] = appsv1.NewForConfigAndClient(config, client)
	c.policy, errs[2] = policyv1.NewForConfigAndClient(config, client)
	c.discovery, errs[3] = discoveryv1.NewForConfigAndClient(config, client)
	c.coordination, errs[4] = coordinationv1.NewForConfigAndClient(config, client)
	c.storage, errs[5] = storagev1.NewForConfigAndClient(config, client)
	c.auth, errs[6] = authorizationv1.NewForConfigAndClient(config, client)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// UID is that of the namespace kube-system: what tells one cluster from another.
func (c *Cluster) UID(ctx context.Context) (string, error) {
	ns, err := c.core.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", explain("read namespace kube-system", err)
	}
	return string(ns.UID), nil
}

// ProxyGet asks a Service, "NAMESPACE/NAME:PORT", through the API server's proxy and returns its HTTP status. err is nil
// whenever the Service answered, whatever it said; 503 with an error is the proxy's own "no endpoints available".
func (c *Cluster) ProxyGet(ctx context.Context, service, path string) (status int, err error) {
	namespace, name, ok := strings.Cut(service, "/")
	if !ok || name == "" {
		return 0, fmt.Errorf("service %q: want namespace/name:port", service)
	}
	err = c.core.RESTClient().Get().Namespace(namespace).Resource("services").Name(name).SubResource("proxy").
		Suffix(strings.Split(strings.TrimPrefix(path, "/"), "/")...).MaxRetries(0).Do(ctx).StatusCode(&status).Error()
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		status = int(answer.Status().Code)
	}
	if status != 0 && status != http.StatusServiceUnavailable {
		return status, nil
	}
	return status, err
}
