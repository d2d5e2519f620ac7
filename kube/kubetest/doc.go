// Package kubetest simulates a Kubernetes API server and the controllers that a node upgrade meets, in process. Real
// client-go talks to it over HTTP: in a test, over connections in memory and in virtual time; in `fleetup demo`, on a
// real listener.
//
//	synctest.Test(t, func(t *testing.T) {
//		s := kubetest.New(t.Context(), kubetest.Config{})
//		defer s.Close()
//		for _, n := range []string{"n1", "n2", "n3"} {
//			s.AddNode(n, nil)
//		}
//		s.AddDeployment("shop", "web", 4, nil)
//		s.AddPDB("shop", "web", "web", "3", "")
//		s.AddService("shop", "web", "web")
//		time.Sleep(5 * time.Second) // virtual: the pods are Ready now
//
//		config := &rest.Config{Host: "http://kubetest", QPS: -1}
//		client := &http.Client{Transport: &http.Transport{DialContext: s.Dial}}
//		core, err := corev1.NewForConfigAndClient(config, client)
//		…
//	})
//
// On a real listener it is an http.Handler; WriteKubeconfig tells where it listens.
//
// What it does as the real one, down to the words of its errors: versions and conflicts, preconditions, finalizers,
// graceful deletion, dry runs, label and field selectors, paging, patches (merge, strategic, JSON; not apply), watches
// with bookmarks and initial events, 410 Gone, evictions and their budgets, rights. Its controllers: ReplicaSets,
// Deployments, StatefulSets, DaemonSets, budgets, EndpointSlices, the scheduler, node lifecycle with its taints and
// NoExecute, garbage collection, and a kubelet for each node that Kubelet and StopKubelet start and stop. They act in
// one fixed order and take no time but what Config says. New pods get what LimitRanges give, and are refused by quotas of
// pods, CPU and memory. It answers JSON alone, has no webhooks, no preemption, and checks of an object only what an upgrade writes: names, labels, annotations, taints, Events.
//
// Objects are made with Add and the Add… methods, read with Get and List, edited past all checks with Change. Faults:
// Fail, Delay, CutWatches, ExpireWatches, Refuse, StopKubelet, SetReady, Authorize and the annotations StartDelay,
// StopDelay and Ready. What was asked of the server: Requests and Count.
package kubetest
