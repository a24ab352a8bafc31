package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// File descriptors that the node agent hands to `livepod run`.
const (
	specFD   = 3 // the Spec as JSON
	reportFD = 4 // where a failure before the command is told; closed by a start that works
	firstNS  = 5 // the pod's namespaces, if it has its own
)

// Mount is one path of the container that comes from elsewhere.
type Mount struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
}

// Spec is what a container is made of.
type Spec struct {
	Root         string   `json:"root"` // an empty folder that becomes the container's root
	ReadOnlyRoot bool     `json:"readOnlyRoot"`
	Visible      []string `json:"visible"` // folders of the machine that must be there, whatever hides them
	Mounts       []Mount  `json:"mounts"`
	Command      []string `json:"command"`
	Env          []string `json:"env"`
	Workdir      string   `json:"workdir"`
	Namespaces   int      `json:"namespaces"` // how many descriptors from firstNS on
}

func readSpec() (*Spec, error) {
	file := os.NewFile(specFD, "spec")
	defer file.Close()
	spec := &Spec{}
	if err := json.NewDecoder(file).Decode(spec); err != nil {
		return nil, fmt.Errorf("the container's description: %w", err)
	}
	return spec, nil
}

func report(err error) {
	file := os.NewFile(reportFD, "report")
	fmt.Fprint(file, err)
	file.Close()
}
