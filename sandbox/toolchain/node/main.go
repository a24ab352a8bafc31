// Command node runs the live pods of one EKS cluster of the sandbox: pods whose containers are real processes.
//
//	node world CONFIG    the cluster's live world: namespaces of its own, and in them a kubelet for each live node,
//	                     a data path for Services, name resolution, and the way in and out
//	node inside CONFIG   what `world` starts in those namespaces
//	node kubelet FILE    one node: the real kubelet over a container runtime of local processes
//
// docs/sandbox.md says what a live pod is, and how it differs from one on EKS.
package main

import (
	"fmt"
	"os"

	"k8s.io/klog/v2"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: node world|inside CONFIG | node kubelet FILE")
		os.Exit(2)
	}
	parts := map[string]func(string) error{"world": runWorld, "inside": runInside, "kubelet": runKubelet}
	run, found := parts[os.Args[1]]
	if !found {
		fmt.Fprintf(os.Stderr, "node: no part named %q; there are world, inside, kubelet\n", os.Args[1])
		os.Exit(2)
	}
	if err := run(os.Args[2]); err != nil {
		klog.ErrorS(err, "the part ended", "part", os.Args[1])
		klog.Flush()
		os.Exit(1)
	}
}
