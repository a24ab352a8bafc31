{{/* Everything of a release has the release's name: one release is one engine. */}}
{{- define "vllm.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change over an engine's life: selectors are immutable. */}}
{{- define "vllm.selector" -}}
app.kubernetes.io/name: vllm
app.kubernetes.io/instance: {{ include "vllm.name" . }}
{{- end -}}

{{- define "vllm.labels" -}}
{{ include "vllm.selector" . }}
app.kubernetes.io/component: engine
app.kubernetes.io/part-of: bastide
app.kubernetes.io/managed-by: {{ .Release.Service }}
bastide.dev/role: engine
{{- end -}}

{{/* An image by digest; by its tag alone only where that was allowed. Arguments: image, name, allowed. */}}
{{- define "vllm.image" -}}
{{- $named := printf "%s:%s" .image.repository .image.tag -}}
{{- if ne .image.digest "unresolved" -}}
{{- printf "%s@%s" $named .image.digest -}}
{{- else if .allowed -}}
{{- $named -}}
{{- else -}}
{{- fail (printf "images.%s.digest is unresolved: a tag can be moved to another image; give the digest of %s, or set images.allowUnresolved in a sandbox" .name $named) -}}
{{- end -}}
{{- end -}}

{{/* The value after a flag of engine.args; empty where the flag is last or missing. */}}
{{- define "vllm.flag" -}}
{{- $found := "" -}}
{{- $before := "" -}}
{{- range .args -}}
{{- if eq $before $.flag -}}{{- $found = . -}}{{- end -}}
{{- $before = . -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* The command line and the objects around it are two statements of one fact: they must agree. */}}
{{- define "vllm.agree" -}}
{{- /* On another address every pod that reaches this one would pass by the proxy. */ -}}
{{- $wanted := dict "--port" (toString .Values.engine.port) "--host" "127.0.0.1" -}}
{{- if eq .Values.engine.kind "vllm" -}}
{{- $wanted = merge $wanted (dict "--model" .Values.model.path "--shutdown-timeout" (toString .Values.engine.shutdownSeconds) "--load-format" "safetensors") -}}
{{- else if eq .Values.engine.kind "sglang" -}}
{{- $wanted = merge $wanted (dict "--model-path" .Values.model.path "--load-format" "safetensors") -}}
{{- else if eq .Values.engine.kind "tensorrt-llm" -}}
{{- $wanted = merge $wanted (dict "--backend" "pytorch") -}}
{{- end -}}
{{- range $flag, $value := $wanted -}}
{{- $given := include "vllm.flag" (dict "args" $.Values.engine.args "flag" $flag) -}}
{{- if ne $given $value -}}
{{- fail (printf "engine.args has %s %q and the chart's values say %q: probes, Service, volume and grace period are made from the values, so both must be the same" $flag $given $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every container of the pod is: no root, no privilege, nothing writable but its volumes. */}}
{{- define "vllm.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What the pods of a replica are kept by. */}}
{{- define "vllm.workload" -}}
{{- if gt (int .Values.engine.nodes) 1 -}}LeaderWorkerSet
{{- else if eq .Values.engine.rollout "surge" -}}Deployment
{{- else -}}StatefulSet
{{- end -}}
{{- end -}}

{{/* A claim belongs to one pod that comes back under its name, as only a StatefulSet's do. */}}
{{- define "vllm.noClaims" -}}
{{- if ne .Values.fetch.cache.kind "pod" -}}
{{- fail (printf "fetch.cache.kind is %q, for which each pod keeps a claim of its own, and this engine is a %s, whose pods have none: allowed are cache kind pod, or rollout replace on one node" .Values.fetch.cache.kind (include "vllm.workload" .)) -}}
{{- end -}}
{{- end -}}

{{/* Name of a LeaderWorkerSet. */}}
{{- define "vllm.groups" -}}
{{- include "vllm.name" . }}-groups
{{- end -}}

{{/* Pods that answer: of a group its leader alone. */}}
{{- define "vllm.serving" -}}
{{ include "vllm.selector" . }}
{{- if gt (int .Values.engine.nodes) 1 }}
leaderworkerset.sigs.k8s.io/worker-index: "0"
{{- end }}
{{- end -}}

{{/* Where something else scales, the number is not the chart's: every upgrade would set it back. */}}
{{- define "vllm.replicas" -}}
{{- if not .Values.autoscaling -}}
replicas: {{ .Values.engine.replicas }}
{{- end -}}
{{- end -}}

{{/* Labels of the pod of `helm test`. */}}
{{- define "vllm.testLabels" -}}
app.kubernetes.io/name: vllm-test
app.kubernetes.io/instance: {{ include "vllm.name" . }}
{{- end -}}

{{/* Names of this engine's pods as a regular expression, which must not match those of another whose name goes on. */}}
{{- define "vllm.podPattern" -}}
{{- $workload := include "vllm.workload" . -}}
{{- if eq $workload "Deployment" -}}{{ include "vllm.name" . }}-[a-z0-9]+-[a-z0-9]{5}
{{- else if eq $workload "LeaderWorkerSet" -}}{{ include "vllm.groups" . }}-[0-9]+
{{- else -}}{{ include "vllm.name" . }}-[0-9]+
{{- end -}}
{{- end -}}
