package kubetest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Config says how the simulated cluster behaves. Every zero field has the default that its comment names.
type Config struct {
	// Version is what /version answers. Default v1.37.2.
	Version string
	// StartDelay is how long a bound pod takes from Pending to Ready. Default 2 s.
	StartDelay time.Duration
	// StopDelay is how long a pod takes to end once deleted; never longer than its grace period. Default 1 s.
	StopDelay time.Duration
	// ReadyDelay is how long a kubelet takes from its start until it has posted its node's status. Default 1 s.
	ReadyDelay time.Duration
	// NodeMonitorGrace is how long a node's kubelet may be silent before its Ready becomes Unknown. Default 40 s.
	NodeMonitorGrace time.Duration
	// Seed makes names and UIDs repeatable. Default: another one for each Server.
	Seed uint64
}

// Server is a Kubernetes API server and its controllers, in process. It is an http.Handler; Dial reaches it without a
// socket. All methods may be called from any goroutine.
type Server struct {
	config Config
	ctx    context.Context
	stop   context.CancelFunc
	owned  sync.WaitGroup
	listen *listener
	http   *http.Server

	mu       sync.Mutex // guards everything below; never held while anything is waited for
	rv       uint64
	random   *rand.Rand
	tables   map[*kind]*table
	pods     podIndex
	owners   ownerIndex
	members  memberIndex
	lives    map[types.UID]*life
	kubelets map[string]*kubelet
	work     workQueue
	knobs    knobs
	requests []*Request
	rotation int // where the scheduler looks first
}

// New starts the cluster: it holds the namespaces default, kube-system and kube-node-lease, and no node. It runs until
// ctx ends or Close.
func New(ctx context.Context, config Config) *Server {
	s := &Server{config: config.withDefaults(), tables: map[*kind]*table{}, kubelets: map[string]*kubelet{}}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.random = rand.New(rand.NewPCG(s.config.Seed, 37))
	s.listen = newListener()
	s.knobs = knobs{tokens: map[string]string{adminToken: adminUser}, cut: make(chan struct{}), expired: make(chan struct{})}
	s.pods = newPodIndex()
	s.owners, s.members, s.lives = ownerIndex{}, memberIndex{}, map[types.UID]*life{}
	s.work = newWorkQueue()
	for _, k := range kinds {
		s.tables[k] = newTable(k)
	}
	s.addNamespaces("default", "kube-system", "kube-public", "kube-node-lease")
	s.http = &http.Server{Handler: s}
	s.owned.Go(func() { _ = s.http.Serve(s.listen) })
	s.owned.Go(s.runControllers)
	s.owned.Go(func() {
		<-s.ctx.Done()
		_ = s.http.Close()
	})
	return s
}

// Close stops the server and its controllers, and waits for them; connections and watches end.
func (s *Server) Close() {
	s.stop()
	s.owned.Wait()
}

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	or(&c.StartDelay, 2*time.Second)
	or(&c.StopDelay, time.Second)
	or(&c.ReadyDelay, time.Second)
	or(&c.NodeMonitorGrace, 40*time.Second)
	if c.Version == "" {
		c.Version = "v1.37.2"
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return c
}
