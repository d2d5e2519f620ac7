# Asks what containers logged as an error, of the pods that are named before it (pods, as "NAMESPACE/POD NAMESPACE/POD"), or where
# none is: of those that a node can't do without, as far as its disk tells: kube-system's, the network's, and static pods, whose
# ids have no hyphen. What else is node-critical the API knows by its priority class.
for d in /var/log/pods/*_*_*; do
	[ -d "$d" ] || continue
	id=${d##*/}
	space=${id%%_*}
	pod=${id#*_}
	pod=${pod%_*}
	if [ -n "$pods" ]; then
		case " $pods " in *" $space/$pod "*) ;; *) continue ;; esac
	else
		case $space in
		kube-system | tigera-operator | calico-* | kube-flannel | cilium* | antrea-* | kube-ovn* | openshift-ovn-kubernetes | openshift-sdn | openshift-multus) ;;
		*) case ${id##*_} in *-*) continue ;; esac ;;
		esac
	fi
	for f in "$d"/*/*.log; do
		[ -r "$f" ] || continue
		c=${f%/*}
		part "podlog $space/$pod ${c##*/}"
		tail -c 2000000 "$f" 2>/dev/null | grep -E ' [FP] ([EF][0-9]{4} |.*level=(error|fatal|panic)|.*"level":"(error|fatal|panic)"|panic: )' | tail -n 200 | cut -b 1-1000
	done
done
