package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// poolPods is how many pods agents that build at once share.
const poolPods = 4

// buildkitdTOML is the same for every buildkitd: caches shrink when the bench
// says so and never in mid-measure.
const buildkitdTOML = "[worker.oci]\n  gc = false\n"

// definitionNode is a node of a definition, as buildx writes it.
type definitionNode struct {
	Name       string
	Platforms  []map[string]string
	DriverOpts map[string]string
	Files      map[string][]byte
}

// definitions returns the files of the definitions that Slipway and buildx
// share word for word, but for the namespaces. The daemons get more files, and their
// buildkitd.toml what the one among these has.
func definitions(namespace, coldNamespace, image string, more map[string][]byte) (map[string]string, error) {
	node := func(name, arch, clusterArch string, options ...string) definitionNode {
		n := definitionNode{
			Name:      name,
			Platforms: []map[string]string{{"os": "linux", "architecture": arch}},
			DriverOpts: map[string]string{
				"image":        image,
				"namespace":    namespace,
				"nodeselector": "kubernetes.io/arch=" + clusterArch,
			},
			Files: map[string][]byte{},
		}
		maps.Copy(n.Files, more)
		n.Files["buildkitd.toml"] = append([]byte(buildkitdTOML), more["buildkitd.toml"]...)
		for _, option := range options {
			key, value, _ := strings.Cut(option, "=")
			n.DriverOpts[key] = value
		}
		return n
	}
	builders := map[string][]definitionNode{
		kube: {node("builder-amd64", "amd64", "amd64"), node("builder-arm64", "arm64", "arm64")},
		pool: {node("pool", "amd64", "amd64", fmt.Sprintf("replicas=%d", poolPods))},
		cold: {node("cold", "amd64", "amd64", "namespace="+coldNamespace)},
	}
	for _, arch := range fleetPlatforms {
		builders[fleet] = append(builders[fleet], node("fleet-"+arch, arch, "amd64"))
	}
	files := map[string]string{}
	for name, nodes := range builders {
		text, err := json.Marshal(map[string]any{"Name": name, "Driver": "kubernetes", "Nodes": nodes, "Dynamic": false})
		if err != nil {
			return nil, fmt.Errorf("write definition %s: %w", name, err)
		}
		files[name] = string(text)
	}
	return files, nil
}
