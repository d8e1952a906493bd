package main

import (
	"encoding/json"
	"fmt"
)

// configMap holds files.
func configMap(name string, files map[string]string) (string, error) {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]string{"name": name},
		"data":     files,
	})
	if err != nil {
		return "", fmt.Errorf("write config map %s: %w", name, err)
	}
	return string(text), nil
}

// agentManifest is an agent pod of a tool, on a cluster node of the builders'.
// A clone and what a build makes are on the cluster node's disk.
func agentManifest(name string, t tool, image string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  nodeSelector: {kubernetes.io/arch: amd64}
  terminationGracePeriodSeconds: 0
  containers:
    - name: agent
      image: %s
      command: [sleep, infinity]
      env: [{name: PATH, value: "/bench/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}]
      volumeMounts:
        - {name: definitions, mountPath: /etc/slipway/definitions, readOnly: true}
        - {name: bench, mountPath: /bench}
        - {name: clones, mountPath: %s}
  volumes:
    - {name: definitions, configMap: {name: %s, optional: true}}
    - {name: bench, emptyDir: {}}
    - {name: clones, emptyDir: {}}
`, name, image, clones, definitionsOf(t))
}

// definitionsOf names the config map of the tool's definitions.
func definitionsOf(t tool) string { return "definitions-" + t.name }

// daemonPort is the bare buildkitd's.
const daemonPort = 1234

// bareDaemon is the pod of a buildkitd that listens on plain TCP, for a tool
// that makes no builders. It is what buildx would make, but for the listener.
func bareDaemon(image string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: buildkitd}
data: {buildkitd.toml: %q}
---
apiVersion: v1
kind: Pod
metadata: {name: buildkitd}
spec:
  nodeSelector: {kubernetes.io/arch: amd64}
  terminationGracePeriodSeconds: 0
  containers:
    - name: buildkitd
      image: %s
      args: [--addr, "unix:///run/buildkit/buildkitd.sock", --addr, "tcp://0.0.0.0:%[3]d"]
      securityContext: {privileged: true}
      readinessProbe: {tcpSocket: {port: %[3]d}, periodSeconds: 1}
      volumeMounts: [{name: config, mountPath: /etc/buildkit, readOnly: true}]
  volumes: [{name: config, configMap: {name: buildkitd}}]
`, buildkitdTOML, image, daemonPort)
}
