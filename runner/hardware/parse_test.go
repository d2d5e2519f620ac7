package hardware

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetup/fleetup/runner/parts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// samples are what the script prints on machines of several kinds. qemu-nvme is what the vm tests' machine printed (see
// testdata/lab, FLEETUP_CAPTURE), with all the tools of Debian 12. The others were written after the tools' formats: a Dell
// server on Debian with a bond and a worn disk, an HPE server on Red Hat 8 whose lsblk writes strings and whose second socket is
// empty, a Supermicro server with NVMe and a dying disk, and a virtual machine with hardly a tool.
func samples(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".txt")] = string(b)
	}
	return all
}

// TestParse compares what is read of each machine with its golden document, and how that is printed.
func TestParse(t *testing.T) {
	for name, out := range samples(t) {
		d := Parse(out)
		js, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := Print(&text, d); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/"+name+".json", string(js)+"\n")
		golden(t, "testdata/"+name+".print", text.String())
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // a golden file
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestTruncated cuts each sample at every line and at odd bytes: less is read, and nothing falls.
func TestTruncated(t *testing.T) {
	for name, out := range samples(t) {
		whole := Parse(out)
		for cut := 0; cut < len(out); cut += 97 {
			d := Parse(out[:cut])
			if len(d.Disks) > len(whole.Disks) || len(d.NICs) > len(whole.NICs) || len(d.Memory.DIMMs) > len(whole.Memory.DIMMs) {
				t.Errorf("%s cut at %d: more is read than there is", name, cut)
			}
			Judge(whole, d, Compare(whole, d), nil)
		}
	}
}

// FuzzParse: whatever a machine prints, nothing falls; and every document is as itself.
func FuzzParse(f *testing.F) {
	for _, out := range samples(f) {
		f.Add(out)
		for _, p := range parts.Split(out) {
			f.Add(parts.Mark + p.Name + " " + p.Of + "\n" + p.Text)
		}
	}
	f.Add(parts.Mark + "lsblk\n{\"blockdevices\":[{\"name\":{},\"size\":[1]}]}")
	f.Add(parts.Mark + "dmidecode\nHandle 0x1\nMemory Device\n\tSize: 99999999999999999999 TB\n")
	f.Fuzz(func(t *testing.T, out string) {
		d := Parse(out)
		if diffs := Compare(d, d); len(diffs) > 0 {
			t.Errorf("a machine differs from itself: %v", diffs)
		}
		Problems(d)
		Warnings(d)
		if err := Print(&strings.Builder{}, d); err != nil {
			t.Error(err)
		}
	})
}

func TestGather(t *testing.T) {
	whole := samples(t)["qemu"]
	for name, tc := range map[string]struct {
		out  string
		err  error
		want string
	}{
		"whole":   {whole, nil, ""},
		"cut off": {whole[:len(whole)-8], nil, "hardware: what the machine told is cut off"},
		"refused": {"", errors.New("host n1: sudo: no"), "hardware: host n1: sudo: no"},
	} {
		asked := ""
		d, err := Gather(t.Context(), func(ctx context.Context, script string) (string, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("it may take for ever")
			}
			asked = script
			return tc.out, tc.err
		})
		if tc.want == "" && (err != nil || len(d.Disks) != 2) || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
		if !strings.Contains(asked, "dmidecode -t 17") && !strings.Contains(asked, "-t 17") {
			t.Error("the script doesn't ask for memory modules")
		}
	}
}

// TestSCSI: a SAS disk tells its model, firmware and errors by names of their own (smartmontools 7.4 on a server).
func TestSCSI(t *testing.T) {
	d := Disk{Name: "sda", Model: "AL15SEB24EQY"}
	parseSmartctl(`{"scsi_vendor": "TOSHIBA", "scsi_product": "AL15SEB24EQY", "scsi_model_name": "TOSHIBA AL15SEB24EQY", "scsi_revision": "EF06",
		"scsi_grown_defect_list": 0, "serial_number": "Z", "smart_status": {"passed": true}, "scsi_error_counter_log": {
		"read": {"total_errors_corrected": 4, "total_uncorrected_errors": 2}, "verify": {"total_uncorrected_errors": 0}, "write": {"total_uncorrected_errors": 1}}}`, &d)
	want := Disk{Name: "sda", Model: "TOSHIBA AL15SEB24EQY", Serial: "Z", Firmware: "EF06", Health: "warning", Complaints: []string{"2 uncorrected read errors", "1 uncorrected write errors"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSize(t *testing.T) {
	for s, want := range map[string]int64{
		"32 GB": 32 << 30, "32768 MB": 32 << 30, "512GiB": 512 << 30, "1TiB": 1 << 40, "65523068 kB": 65523068 << 10, "": 0, "No Module Installed": 0,
		"GB": 0, "12": 0, "-5 GB": 0, "99999999999 TB": 0, "99999999999999999999 GB": 0,
	} {
		if got := size(s); got != want {
			t.Errorf("%q is %d, not %d", s, got, want)
		}
	}
}
