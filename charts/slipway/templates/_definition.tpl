{{/*
slipway.definition is one builder as the instance file of buildx: JSON.
It takes {root, name}.
*/}}
{{- define "slipway.definition" -}}
{{- $builder := get .root.Values.builders .name -}}
{{- $nodes := list -}}
{{- range $node := $builder.nodes -}}
{{- $nodes = append $nodes (include "slipway.node" (dict "root" $.root "name" $.name "node" $node) | fromJson) -}}
{{- end -}}
{{- $definition := dict "Name" .name "Driver" (default "kubernetes" $builder.driver) "Nodes" $nodes "Dynamic" false -}}
{{- $slipway := deepCopy (default (dict) $builder.slipway) -}}
{{- if and (ne $builder.driver "remote") (not $slipway.owner) -}}
{{- $_ := set $slipway "owner" (include "slipway.owner" .root) -}}
{{- end -}}
{{- with $slipway -}}
{{- $_ := set $definition "Slipway" . -}}
{{- end -}}
{{- toPrettyJson $definition -}}
{{- end -}}

{{/* slipway.node is one node of it: JSON. It takes {root, name, node}. */}}
{{- define "slipway.node" -}}
{{- $builder := get .root.Values.builders .name -}}
{{- $node := .node -}}
{{- $where := printf "builders.%s: node %s" .name $node.name -}}

{{- $platforms := list -}}
{{- range $text := $node.platforms -}}
{{- $part := splitList "/" $text -}}
{{- $platform := dict "os" (index $part 0) "architecture" (index $part 1) -}}
{{- if gt (len $part) 2 -}}
{{- $_ := set $platform "variant" (index $part 2) -}}
{{- end -}}
{{- $platforms = append $platforms $platform -}}
{{- end -}}

{{- $kubernetes := ne $builder.driver "remote" -}}
{{- $options := include "slipway.options" . | fromJson -}}
{{- $written := dict -}}
{{- range $key, $value := $options -}}
{{- $_ := set $written $key (include "slipway.option" (dict "key" $key "value" $value "where" $where)) -}}
{{- end -}}

{{- $files := dict -}}
{{- range $path, $content := mergeOverwrite (dict) (default (dict) $builder.files) (default (dict) $node.files) -}}
{{- if or (hasSuffix ".key" $path) (hasSuffix "key.pem" $path) (contains "PRIVATE KEY-----" $content) -}}
{{- fail (printf "%s: files: %s is a private key, and definitions are ConfigMaps: mount a Secret through slipway.podTemplate" $where $path) -}}
{{- end -}}
{{- $_ := set $files $path (b64enc $content) -}}
{{- end -}}
{{- with ternary $node.config $builder.config (hasKey $node "config") -}}
{{- if hasKey $files "buildkitd.toml" -}}
{{- fail (printf "%s: buildkitd.toml is given both as config and among files: keep one" $where) -}}
{{- end -}}
{{- $_ := set $files "buildkitd.toml" (b64enc .) -}}
{{- end -}}

{{- $endpoint := $node.endpoint -}}
{{- if $kubernetes -}}
{{- $endpoint = printf "kubernetes:///%s?deployment=%s&kubeconfig=" .name $node.name -}}
{{- end -}}
{{- $flags := ternary $node.flags $builder.flags (hasKey $node "flags") -}}
{{- $out := dict "Name" $node.name "Endpoint" $endpoint
  "Platforms" (ternary $platforms nil (gt (len $platforms) 0))
  "DriverOpts" $written
  "Flags" $flags
  "Files" (ternary $files nil (gt (len $files) 0)) -}}
{{- $slipway := deepCopy (default (dict) $node.slipway) -}}
{{- $tls := include "slipway.tls" . | fromJson -}}
{{- if has $tls.maker (list "helm" "certManager") -}}
{{- $_ := set $slipway "tls" $tls.written -}}
{{- end -}}
{{- with $slipway -}}
{{- $_ := set $out "Slipway" . -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/*
slipway.options are the driver-opts of a node over those of its builder: JSON,
as they are in the values. The namespace is always there, for agents in other
namespaces would look in their own.
*/}}
{{- define "slipway.options" -}}
{{- $builder := get .root.Values.builders .name -}}
{{- $options := mergeOverwrite (dict) (deepCopy (default (dict) $builder.driverOpts)) (deepCopy (default (dict) .node.driverOpts)) -}}
{{- if and (ne $builder.driver "remote") (not $options.namespace) -}}
{{- $_ := set $options "namespace" .root.Release.Namespace -}}
{{- end -}}
{{- toJson $options -}}
{{- end -}}

{{/* slipway.option writes one driver-opt as buildx reads it. It takes {key, value, where}. */}}
{{- define "slipway.option" -}}
{{- if kindIs "map" .value -}}
{{- $pairs := list -}}
{{- range $key := keys .value | sortAlpha -}}
{{- $text := include "slipway.scalar" (get $.value $key) -}}
{{- if contains "," $text -}}
{{- fail (printf "%s: driverOpts.%s: %s has a comma in its value, which the option cannot hold" $.where $.key $key) -}}
{{- end -}}
{{- $pairs = append $pairs (printf "%s=%s" $key $text) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- else if kindIs "slice" .value -}}
{{- $tolerations := list -}}
{{- range $toleration := .value -}}
{{- $parts := list -}}
{{- range $key := list "key" "operator" "value" "effect" "tolerationSeconds" -}}
{{- if hasKey $toleration $key -}}
{{- $parts = append $parts (printf "%s=%s" $key (include "slipway.scalar" (get $toleration $key))) -}}
{{- end -}}
{{- end -}}
{{- $tolerations = append $tolerations (join "," $parts) -}}
{{- end -}}
{{- join ";" $tolerations -}}
{{- else -}}
{{- include "slipway.scalar" .value -}}
{{- end -}}
{{- end -}}

{{/* slipway.scalar writes whole numbers as such: Helm makes 1e+06 of 1000000. */}}
{{- define "slipway.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}
