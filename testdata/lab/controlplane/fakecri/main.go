// Fakecri is a container runtime that runs no container: Kubernetes' own fake of one, at a socket, for a kubelet that is
// otherwise real. It is ready from the start.
//
//	fakecri unix:///run/containerd/containerd.sock
package main

import (
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/fake"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: fakecri unix:///PATH")
	}
	runtime := fake.NewFakeRemoteRuntime()
	// Where images and containers lie: the kubelet evicts by how full that is.
	disk := []*runtimeapi.FilesystemUsage{{
		FsId:       &runtimeapi.FilesystemIdentifier{Mountpoint: "/"},
		UsedBytes:  &runtimeapi.UInt64Value{Value: 0},
		InodesUsed: &runtimeapi.UInt64Value{Value: 0},
	}}
	runtime.ImageService.SetFakeFilesystemUsage(disk)
	runtime.ImageService.SetFakeContainerFilesystemUsage(disk)
	if err := runtime.Start(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Fatal(err)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	runtime.Stop()
}
