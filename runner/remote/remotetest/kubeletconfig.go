package remotetest

import (
	"fmt"
	"path"
	"regexp"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/fleetup/fleetup/runner/remote/remotetest/vfs"
)

const kubeletConfig = "/var/lib/kubelet/config.yaml"

// kubeadmConfig is what kubeadm writes there, at every upgrade anew, whatever stood there.
const kubeadmConfig = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\n"

var configDir = regexp.MustCompile(`--config-dir[= ]([^\s"']+)`)

// KubeletConfig is the configuration that a kubelet would start with now, as a real one puts it together: its file, the
// defaults of evictionHard where that sets none, and over it the drop-ins of --config-dir in their order. An error is why it wouldn't start.
func (m *Machine) KubeletConfig() (map[string]any, error) {
	all := map[string]any{"maxPods": 110}
	files := []string{kubeletConfig}
	flags := m.text("/var/lib/kubelet/kubeadm-flags.env") + m.text("/etc/default/kubelet") + m.text("/etc/sysconfig/kubelet")
	if dir := configDir.FindStringSubmatch(flags); dir != nil {
		list, err := m.FS.ReadDir(vfs.Cred{}, dir[1])
		if err != nil {
			return nil, fmt.Errorf("failed to walk through kubelet dropin directory %q: no such file or directory", dir[1])
		}
		var names []string
		for _, info := range list {
			if strings.HasSuffix(info.Name(), ".conf") {
				names = append(names, path.Join(dir[1], info.Name()))
			}
		}
		sort.Strings(names)
		files = append(files, names...)
	}
	for i, file := range files {
		var one map[string]any
		if err := yaml.Unmarshal([]byte(m.text(file)), &one); err != nil || one["kind"] != "KubeletConfiguration" {
			return nil, fmt.Errorf("failed to load kubelet config file, path: %s: no apiVersion/kind, or not understood", file)
		}
		overlay(all, one)
		if i > 0 || all["evictionHard"] != nil {
			continue
		}
		all["evictionHard"] = map[string]any{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%", "imagefs.inodesFree": "5%"}
	}
	return all, validate(all)
}

// overlay merges maps entry by entry and takes all else as it is.
func overlay(under, over map[string]any) {
	for key, value := range over {
		a, isMap := under[key].(map[string]any)
		if b, also := value.(map[string]any); isMap && also {
			overlay(a, b)
			continue
		}
		under[key] = value
	}
}

// validate refuses what a kubelet refuses: amounts that are none, and a soft threshold without its grace period.
func validate(all map[string]any) error {
	entries := func(field string) map[string]any { m, _ := all[field].(map[string]any); return m }
	for _, field := range []string{"kubeReserved", "systemReserved"} {
		for name, value := range entries(field) {
			if _, err := resource.ParseQuantity(fmt.Sprint(value)); err != nil {
				return fmt.Errorf("%s: %s: %v", field, name, err)
			}
		}
	}
	for signal := range entries("evictionSoft") {
		if entries("evictionSoftGracePeriod")[signal] == nil {
			return fmt.Errorf("grace period must be specified for the soft eviction threshold %s", signal)
		}
	}
	return nil
}
