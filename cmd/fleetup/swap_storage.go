package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/fleetup/fleetup/kube"
)

// storageScript says which disks the node's own volumes and its OSDs lie on, through partitions, LVM, RAID and encryption:
//
//	on 2 sdb S6EPNA0T500117      the third of the volumes, the disk, its serial number
//	on osd.4 nvme0n1 S64GNE0T3   an OSD of Ceph
//
// A volume that a driver made is found where the kubelet mounted it, or as a logical volume of its name (OpenEBS, TopoLVM). An
// OSD's folder has links to what it lies on, also a block.db elsewhere: that of a package (/var/lib/ceph/osd/ceph-4), of
// cephadm (/var/lib/ceph/FSID/osd.4), of Rook (/var/lib/rook/NAMESPACE/FSID_UUID). One that is mounted nowhere, as an OSD on
// a claim is, is known by its LVM tags or its signature.
const storageScript = `disks_of() {
	lsblk -s -n -r -o TYPE,NAME,SERIAL "$2" 2>/dev/null | sed -n "s/^disk /on $1 /p"
}
on() {
	[ -e "$2" ] || return 0
	at=$2
	[ -b "$at" ] || at=$(findmnt -n -o SOURCE -T "$at" 2>/dev/null | tail -n 1)
	at=$(readlink -f "${at%%\[*}")
	if [ -b "$at" ]; then disks_of "$1" "$at"; fi
}
for link in /var/lib/ceph/osd/*/block* /var/lib/ceph/*/osd.*/block* /var/lib/rook/*/*/block*; do
	[ -b "$link" ] || continue
	folder=${link%/*}
	id=$(cat "$folder/whoami" 2>/dev/null)
	on "osd.${id:-${folder##*[.-]}}" "$link"
done
lvs --noheadings -o lv_tags,lv_path 2>/dev/null | while read -r tags path; do
	case $tags in *ceph.osd_id=*) id=${tags#*ceph.osd_id=}; on "osd.${id%%,*}" "$path" ;; esac
done
lsblk -n -r -o FSTYPE,NAME 2>/dev/null | sed -n 's/^ceph_bluestore //p' | while read -r name; do
	on "an-OSD" "/dev/$name"
	on "an-OSD" "/dev/mapper/$name"
done
`

// askStorage is the script for a node's volumes.
func askStorage(volumes []kube.OwnVolume) string {
	var b strings.Builder
	b.WriteString(storageScript)
	for i, v := range volumes {
		if v.Path != "" {
			fmt.Fprintf(&b, "on %d %s\n", i, shellescape.Quote(v.Path))
			continue
		}
		name := shellescape.Quote(v.Name)
		fmt.Fprintf(&b, "for at in /var/lib/kubelet/pods/*/volumes/kubernetes.io~csi/%s/mount /dev/*/%s; do on %d \"$at\"; done\n", name, name, i)
	}
	return b.String()
}

// bearing is a disk, and what lies on it.
type bearing struct {
	disk, serial string
	bears        []string
}

// bearings reads what the script printed.
func bearings(out string, volumes []kube.OwnVolume) []bearing {
	var all []bearing
	known := map[string]bool{} // OSDs whose number is known, by disk
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "on" {
			continue
		}
		what := bears(f[1], volumes)
		known[f[2]] = known[f[2]] || strings.HasPrefix(f[1], "osd.")
		if what == "" || f[1] == "an-OSD" && known[f[2]] {
			continue
		}
		i := slices.IndexFunc(all, func(b bearing) bool { return b.disk == f[2] })
		if i < 0 {
			i, all = len(all), append(all, bearing{disk: f[2], serial: strings.Join(f[3:], " ")})
		}
		if !slices.Contains(all[i].bears, what) {
			all[i].bears = append(all[i].bears, what)
		}
	}
	slices.SortFunc(all, func(a, b bearing) int { return cmp.Compare(a.disk, b.disk) })
	return all
}

// bears names what the script calls by number or by name; "" for what it can't mean.
func bears(what string, volumes []kube.OwnVolume) string {
	if what == "an-OSD" {
		return "an OSD of Ceph"
	}
	if strings.HasPrefix(what, "osd.") {
		return "Ceph's " + what
	}
	for i, v := range volumes {
		if fmt.Sprint(i) == what {
			return volumeName(v)
		}
	}
	return ""
}

func volumeName(v kube.OwnVolume) string {
	if v.Claim == "" {
		return "volume " + v.Name
	}
	return fmt.Sprintf("volume %s (claim %s)", v.Name, v.Claim)
}

// String is the disk and its load, for people.
func (b bearing) String() string {
	disk := "disk " + b.disk
	if b.serial != "" {
		disk += " (serial " + b.serial + ")"
	}
	return disk + " bears " + strings.Join(b.bears, ", ") + ": taken out, it takes that with it, unless another disk mirrors it"
}

// unplaced are the volumes of a path on the node for which the script found no disk.
func unplaced(out string, volumes []kube.OwnVolume) []string {
	var all []string
	for i, v := range volumes {
		if v.Path != "" && !strings.Contains("\n"+out, fmt.Sprintf("\non %d ", i)) {
			all = append(all, fmt.Sprintf("%s lies on this node, in %s: on which disk could not be told", volumeName(v), v.Path))
		}
	}
	return all
}
