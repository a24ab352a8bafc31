{{/* Rules of NetworkPolicies that several pods have. */}}

{{- define "gateway.toDns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Arguments: blocks, port. */}}
{{- define "gateway.toBlocks" -}}
{{- if .blocks -}}
- to:
    {{- range .blocks }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - {port: {{ .port }}, protocol: TCP}
{{- end -}}
{{- end -}}

{{- define "gateway.toDatabase" -}}
{{- include "gateway.toBlocks" (dict "blocks" .Values.network.database.cidrs "port" .Values.network.database.port) -}}
{{- end -}}

{{/* The EKS Pod Identity agent of the node (EKS user guide, "EKS Pod Identity considerations"). */}}
{{- define "gateway.toPodIdentity" -}}
- to:
    - ipBlock:
        cidr: 169.254.170.23/32
  ports:
    - {port: 80, protocol: TCP}
{{- end -}}

{{/* Pods by namespace and labels. Argument: a client of network.clients. */}}
{{- define "gateway.peer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .namespace }}
  podSelector:
    matchLabels:
      {{- toYaml .labels | nindent 6 }}
{{- end -}}
