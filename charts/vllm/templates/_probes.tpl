{{/* Probes of the engine: files/engine_probe.py tells loading, dead, hung, stalled and a lost GPU apart. */}}

{{- define "vllm.probe.config" -}}
{{- $probe := .Values.engine.probe -}}
{{- $canary := dict "model" .Values.engine.servedName "max_tokens" 1 "prompt" "." -}}
{{- $path := "/v1/completions" -}}
{{- if eq .Values.engine.runner "embed" -}}
{{- $canary = dict "model" .Values.engine.servedName "input" "." -}}
{{- $path = "/v1/embeddings" -}}
{{- end -}}
{{- dict
  "port" .Values.engine.port
  "doorPort" .Values.proxy.doorPort
  "healthPath" .Values.engine.healthPath
  "metricsPath" .Values.engine.metricsPath
  "preStopSeconds" .Values.engine.preStopSeconds
  "stallSeconds" $probe.stallSeconds
  "hungSeconds" $probe.hungSeconds
  "gpus" (ternary .Values.resources.gpus 0 $probe.checkGpus)
  "owed" $probe.owedMetrics
  "moving" $probe.movingMetrics
  "canary" (dict "path" $path "body" $canary)
  "state" "/tmp/engine-probe.json"
  | toPrettyJson -}}
{{- end -}}

{{/* -I: nothing that lies beside the script or in the environment is imported. Argument: the mode. */}}
{{- define "vllm.probe.command" -}}
[python3, -I, -S, /etc/probe/engine_probe.py, {{ . }}, /etc/probe/config.json]
{{- end -}}

{{- define "vllm.probe.probes" -}}
{{- $probe := .Values.engine.probe -}}
startupProbe:
  exec:
    command: {{ include "vllm.probe.command" "startup" }}
  periodSeconds: 10
  # Two waits of 4 s, and the interpreter's start on a node whose cores all load a model.
  timeoutSeconds: 15
  failureThreshold: {{ max 1 (div .Values.engine.startupSeconds 10) }}
# It has its own patience, in the script; three times in a row, so that one slow start of an interpreter ends nobody.
livenessProbe:
  exec:
    command: {{ include "vllm.probe.command" "live" }}
  periodSeconds: 10
  # health 4 s, metrics 4 s, and either one token 10 s or the GPUs' list 10 s.
  timeoutSeconds: 30
  failureThreshold: 3
  # What is stalled or dead drains nothing: no preStop and no drain are waited for.
  terminationGracePeriodSeconds: 5
lifecycle:
  preStop:
    exec:
      command: {{ include "vllm.probe.command" "prestop" }}
{{- end -}}
