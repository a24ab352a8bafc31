// Command livepod starts one container of a live pod, or a command in one that runs.
//
//	livepod run                 the first process of a new container (the node agent calls it in new namespaces)
//	livepod enter PID COMMAND   a further process in the container whose first process is PID
//
// It is a program of its own because it stands between the node agent and every container and probe: it links
// nothing of Kubernetes and starts in a millisecond.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) >= 2 && os.Args[1] == "run" {
		// Only a failure returns: the process becomes the container's command.
		report(run())
		os.Exit(127)
	}
	if len(os.Args) >= 4 && os.Args[1] == "enter" {
		code, err := enter(os.Args[2], os.Args[3:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, "usage: livepod run | livepod enter PID COMMAND...")
	os.Exit(2)
}
