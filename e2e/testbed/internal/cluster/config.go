package cluster

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
)

// Configuration files are templates next to each other, so that what the two
// nodes have in common is seen to be common.
var templates = template.Must(template.New("").Option("missingkey=error").Parse(`
{{define "kubeconfig"}}apiVersion: v1
kind: Config
current-context: testbed
clusters:
- name: testbed
  cluster:
    server: "{{.Server}}"
    certificate-authority-data: {{.CA}}
contexts:
- name: testbed
  context: {cluster: testbed, user: {{printf "%q" .User}}}
users:
- name: {{printf "%q" .User}}
  user: {token: {{.Token}}}
{{end}}

{{define "containerd"}}version = 4
root = '{{.Folder}}/containerd'
state = '{{.Folder}}/run'
imports = []
# node resource interface: its socket has one fixed place, and there are two of us
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.image-verifier.v1.bindir']

[plugins]
  [plugins.'io.containerd.server.v1.grpc']
    address = '{{.Socket}}'
  [plugins.'io.containerd.server.v1.ttrpc']
    address = '{{.Socket}}.ttrpc'
  [plugins.'io.containerd.internal.v1.opt']
    path = '{{.Folder}}/opt'
  # nothing in here must survive a power cut
  [plugins.'io.containerd.metadata.v1.bolt']
    no_sync = true
  [plugins.'io.containerd.cri.v1.images']
    snapshotter = 'overlayfs'
    [plugins.'io.containerd.cri.v1.images'.pinned_images]
      sandbox = '{{.Pause}}'
    [plugins.'io.containerd.cri.v1.images'.registry]
      config_path = '{{.Hosts}}'
  [plugins.'io.containerd.cri.v1.runtime']
    # a machine without CAP_SYS_RESOURCE cannot lower a score
    restrict_oom_score_adj = true
    # so that what is left mounted is below our own folder
    netns_mounts_under_state_dir = true
    [plugins.'io.containerd.cri.v1.runtime'.containerd]
      default_runtime_name = 'runc'
      [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
        runtime_type = 'io.containerd.runc.v2'
        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
          BinaryName = '{{.Bin}}/runc'
          Root = '{{.Folder}}/runc'
    [plugins.'io.containerd.cri.v1.runtime'.cni]
      bin_dirs = ['{{.CNI}}']
      conf_dir = '{{.Folder}}/cni'
      # a plugin for it would be one more program four times in a pod's life
      use_internal_loopback = true
{{end}}

{{define "kubelet"}}apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: "{{.IP}}"
port: 10250
healthzBindAddress: 127.0.0.1
healthzPort: {{.HealthPort}}
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: {{.Secrets}}/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://{{.Socket}}
# the hierarchy of cgroups is shared by both nodes: each has its own part of it,
# and none of them sets limits for the machine's other processes
cgroupDriver: cgroupfs
cgroupRoot: /{{.Cgroup}}
{{- if .FailsOnCgroupV1}}
failCgroupV1: false
{{- end}}
enforceNodeAllocatable: []
failSwapOn: false
podLogsDir: {{.Folder}}/pod-logs
volumePluginDir: {{.Folder}}/volume-plugins
resolvConf: {{.Folder}}/resolv.conf
# nothing answers there: a look-up that is refused at once beats one that hangs,
# and a kubelet that knows no DNS complains in an event of every pod
clusterDNS: ["{{.IP}}"]
clusterDomain: cluster.local
# images are imported, not pulled: one that is collected never comes back
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
serializeImagePulls: false
nodeStatusUpdateFrequency: 5s
logging: {verbosity: 1}
{{end}}

{{define "proxy"}}apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: {{.Kubeconfig}}}
hostnameOverride: {{.Name}}
mode: iptables
clusterCIDR: "{{.PodNetwork}}"
detectLocalMode: ClusterCIDR
bindAddress: "{{.IP}}"
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
iptables: {localhostNodePorts: false, syncPeriod: 30s, minSyncPeriod: 100ms}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
{{end}}

{{define "arch"}}apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: {{.Name}}-is-{{.Arch}}}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [""]
      apiVersions: ["v1"]
      operations: [CREATE, UPDATE]
      resources: [nodes, nodes/status]
  matchConditions:
  - {name: node, expression: 'object.metadata.name == "{{.Name}}"'}
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{
          metadata: Object.metadata{labels: {"kubernetes.io/arch": "{{.Arch}}", "beta.kubernetes.io/arch": "{{.Arch}}"}},
          status: Object.status{nodeInfo: Object.status.nodeInfo{architecture: "{{.Arch}}"}}
        }
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: {{.Name}}-is-{{.Arch}}}
spec: {policyName: {{.Name}}-is-{{.Arch}}}
{{end}}

{{define "archWebhook"}}apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: testbed-arch}
webhooks:
- name: arch.slipway.test
  clientConfig: {url: "https://{{.Address}}/", caBundle: {{.CA}}}
  rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE, UPDATE]
    resources: [nodes, nodes/status]
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  sideEffects: None
  timeoutSeconds: 10
  admissionReviewVersions: [v1]
{{end}}

{{define "registry"}}version: 0.1
log: {level: error} # the access log is another
storage:
  filesystem: {rootdirectory: {{.Storage}}}
  cache: {blobdescriptor: inmemory}
  delete: {enabled: true}
http:
  addr: {{printf "%q" .Address}}
  secret: {{.Secret}}
  tls: {certificate: {{.Secrets}}/registry.crt, key: {{.Secrets}}/registry.key}
auth:
{{- if eq .Auth "token"}}
  # the realm is that host by which the client came; the one here is not used
  token:
    realm: "https://{{.Address}}/token"
    autoredirect: true
    autoredirectpath: /token
    service: {{.Service}}
    issuer: {{.Service}}
    rootcertbundle: {{.Secrets}}/ca.crt
{{- else}}
  htpasswd: {realm: {{.Service}}, path: {{.Secrets}}/registry.htpasswd}
{{- end}}
{{end}}
`))

func render(name string, values map[string]any) (string, error) {
	var out strings.Builder
	if err := templates.ExecuteTemplate(&out, name, values); err != nil {
		return "", fmt.Errorf("write the configuration of %s: %w", name, err)
	}
	return out.String(), nil
}

// podNetworkConfig is a node's CNI configuration: a point-to-point link for
// each pod, and its address from the node's range. No pod has a port of its host.
func (c Cluster) podNetworkConfig(n node, folder string) (string, error) {
	var ranges, routes []any
	for _, family := range pick(c, []string{n.podCIDR4, "0.0.0.0/0"}, []string{n.podCIDR6, "::/0"}) {
		ranges = append(ranges, []any{map[string]any{"subnet": family[0]}})
		routes = append(routes, map[string]any{"dst": family[1]})
	}
	text, err := json.MarshalIndent(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "slipway-" + n.name,
		"plugins": []any{
			map[string]any{
				"type": "ptp",
				"ipam": map[string]any{
					"type":    "host-local",
					"dataDir": filepath.Join(folder, "addresses"),
					"ranges":  ranges,
					"routes":  routes,
				},
			},
		},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write the pod network of %s: %w", n.name, err)
	}
	return string(text), nil
}
