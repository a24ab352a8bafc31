{{/* What LiteLLM's pods and jobs mount: settings, the package, secrets, certificates. */}}

{{- define "gateway.configData" -}}
{{- range $name, $text := .Values.config }}
{{ $name }}: {{ $text | toJson }}
{{- end }}
{{- end -}}

{{- define "gateway.packageData" -}}
{{- range $path, $text := .Values.package }}
{{ include "gateway.packageKey" $path }}: {{ $text | toJson }}
{{- end }}
{{- end -}}

{{/* Non-secret environment. Secrets come as files, and the launcher reads them inside its own process. */}}
{{- define "gateway.env" -}}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Arguments: root, prefix (of the ConfigMaps: the release's own, or the copies of a hook), only (keys of the Secret;
all where it is missing). */}}
{{- define "gateway.volumes" -}}
{{- $root := .root -}}
- name: config
  configMap:
    name: {{ .prefix }}-config
    defaultMode: 0444
- name: package
  configMap:
    name: {{ .prefix }}-package
    defaultMode: 0444
    items:
      {{- range $path, $_ := $root.Values.package }}
      - {key: {{ include "gateway.packageKey" $path }}, path: {{ $path }}}
      {{- end }}
{{- if or (not (hasKey . "only")) .only }}
- name: secrets
  secret:
    secretName: {{ $root.Values.secrets.secretName }}
    {{- with .only }}
    items:
      {{- range . }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
    {{- end }}
    # Readable for the pod's own user alone, by its group.
    defaultMode: 0440
{{- end }}
{{- $prefix := .prefix }}
{{- range $store, $authority := $root.Values.trust }}
{{- if $authority }}
- name: {{ $store }}-authority
  configMap:
    name: {{ $prefix }}-trust
    items:
      - {key: {{ $store }}.pem, path: ca.pem}
    defaultMode: 0444
{{- end }}
{{- end }}
{{- with $root.Values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
# The private CA's root alone: by it the engines, the pii service and the gateway itself are known.
- name: authority
  secret:
    secretName: {{ . }}
    items:
      - {key: ca.crt, path: ca.crt}
    defaultMode: 0444
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ $root.Values.resources.tmpMib }}Mi
{{- end -}}

{{/* Arguments: root, serves (whether the container answers requests, and so needs the Service's key), only (as above). */}}
{{- define "gateway.mounts" -}}
- name: config
  mountPath: /etc/bastide/gateway
  readOnly: true
- name: package
  mountPath: /opt/bastide/gateway
  readOnly: true
{{- if or .serves .only }}
- name: secrets
  mountPath: /etc/bastide/secrets
  readOnly: true
{{- end }}
{{- range $store, $authority := .root.Values.trust }}
{{- if $authority }}
- name: {{ $store }}-authority
  mountPath: /etc/bastide/{{ $store }}
  readOnly: true
{{- end }}
{{- end }}
{{- if .root.Values.tls.secretName }}
{{- if .serves }}
- name: tls
  mountPath: /etc/bastide/tls
  readOnly: true
{{- end }}
- name: authority
  mountPath: /etc/bastide/ca
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end -}}
