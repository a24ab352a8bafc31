package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// gateway is the address by which a pod reaches everything: the same that the VPC CNI gives pods on EKS.
const gateway = "169.254.1.1"

// Image says how containers of an image run here.
type Image struct {
	Repository string            `json:"repository"` // the end of the image's repository, for example vllm/vllm-openai
	Path       []string          `json:"path"`       // folders that come first on PATH
	Env        map[string]string `json:"env"`        // the image's own environment; the pod's own wins
	Visible    []string          `json:"visible"`    // folders of the machine that must be there
}

// Node is one live node.
type Node struct {
	Name        string            `json:"name"`
	IP          string            `json:"ip"`
	ProviderID  string            `json:"providerId"`
	InstanceID  string            `json:"instanceId"`
	Kubeconfig  string            `json:"kubeconfig"`
	Cores       int               `json:"cores"`
	MaxPods     int               `json:"maxPods"`
	Capacity    map[string]string `json:"capacity"`
	Allocatable map[string]string `json:"allocatable"`
	Addresses   []string          `json:"addresses"` // for its pods
}

// Config is a cluster's live world, as the daemon writes it.
type Config struct {
	Folder      string  `json:"folder"`     // short: its sockets' paths have at most 108 characters
	State       string  `json:"state"`      // of the nodes
	Livepod     string  `json:"livepod"`    // the program beside this one
	APIServer   string  `json:"apiServer"`  // HOST:PORT outside, the same inside
	AWS         string  `json:"aws"`        // HOST:PORT outside; GATEWAY:PORT inside
	Kubeconfig  string  `json:"kubeconfig"` // of the Services' data path
	ClientCA    string  `json:"clientCa"`
	ClusterDNS  string  `json:"clusterDns"`
	Images      []Image `json:"images"`
	NodesFile   string  `json:"nodesFile"`    // []Node, rewritten as instances come and go
	DeviceFile  string  `json:"devicesFile"`  // node name to what its device plugins announce
	Forwards    string  `json:"forwardsFile"` // port of 127.0.0.1 outside to ADDRESS:PORT inside
	OutsideFile string  `json:"outsideFile"`  // []Outside, rewritten as AWS's databases and caches come and go
}

func read[T any](path string) (T, error) {
	var found T
	text, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return found, fmt.Errorf("%s: %w", path, err)
	}
	return found, nil
}
