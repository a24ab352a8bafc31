{{/* The proxy before the engine: which paths exist for clients, how large a request may be, TLS, metrics apart. */}}

{{/* What clients may call. Everything else of the engine stays inside the pod. */}}
{{- define "vllm.proxy.routes" -}}
{{- $paths := list "/v1/chat/completions" "/v1/completions" -}}
{{- if eq .Values.engine.runner "embed" -}}
{{- $paths = list "/v1/embeddings" -}}
{{- end -}}
{{- range $paths }}
- match: {path: {{ . }}, headers: [{name: ":method", string_match: {exact: POST}}]}
  route:
    cluster: engine
    # An answer may take as long as it takes; the engine's own limits end it.
    timeout: 0s
    # Only what the engine cannot have seen is sent once more.
    retry_policy: {retry_on: "connect-failure,reset-before-request", num_retries: 2}
{{- end }}
{{- range list "/v1/models" .Values.engine.healthPath }}
- match: {path: {{ . }}, headers: [{name: ":method", string_match: {exact: GET}}]}
  route: {cluster: engine, timeout: 5s, retry_policy: {retry_on: "connect-failure,reset-before-request", num_retries: 2}}
{{- end }}
{{- end -}}

{{/* Settings of every listener's connection manager. Argument: what its statistics are called. */}}
{{- define "vllm.proxy.connections" -}}
"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
stat_prefix: {{ . }}
server_header_transformation: PASS_THROUGH
use_remote_address: true
# No address counts as internal (an empty list would mean all private ones): a client's x-envoy headers never set
# timeouts or retries.
internal_address_config: {cidr_ranges: [{address_prefix: 255.255.255.255, prefix_len: 32}]}
# The path that is matched is the path that is passed on, byte for byte.
normalize_path: false
merge_slashes: false
path_with_escaped_slashes_action: REJECT_REQUEST
request_headers_timeout: 10s
{{- end -}}

{{- define "vllm.proxy.config" -}}
{{- $tls := .Values.tls.secretName -}}
# Envoy keeps time-outs for streams unless they are 0; an answer that thinks for minutes is not idle.
node: {id: {{ include "vllm.name" . }}, cluster: {{ include "vllm.name" . }}}
admin:
  # A socket in a volume of this container alone: it can stop the proxy and shows all of its state.
  address: {pipe: {path: /run/proxy/admin.sock, mode: 384}}
# Requests are taken whole, and together could take more memory than the container has: its end would cut every answer.
# Before that, new requests get 503, and who goes on sending is cut off; who only waits for an answer gets it. Measured:
# 300 clients with 4 MiB each left 44 of 248 MiB free; without this they took 900.
overload_manager:
  # A gigabyte a second brings 20 MiB meanwhile.
  refresh_interval: 0.02s
  # HTTP/2 alone knows which stream holds how much, from 1 MiB (2 to the power of 20) on.
  buffer_factory_config: {minimum_account_to_track_power_of_two: 20}
  actions:
    - name: envoy.overload_actions.shrink_heap
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.6}}]
    - name: envoy.overload_actions.stop_accepting_requests
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.6}}]
    - name: envoy.overload_actions.reset_high_memory_stream
      triggers: [{name: envoy.resource_monitors.fixed_heap, scaled: {scaling_threshold: 0.6, saturation_threshold: 0.7}}]
  loadshed_points:
    - name: envoy.load_shed_points.http1_server_abort_dispatch
      triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.65}}]
  resource_monitors:
    - name: envoy.resource_monitors.fixed_heap
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
        # The program itself takes 74 MiB at rest, of which 10 are heap (measured); the rest of the memory is for bodies.
        max_heap_size_bytes: {{ mul (sub .Values.proxy.memoryMib 64) 1048576 }}
    - name: envoy.resource_monitors.global_downstream_max_connections
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
        max_active_downstream_connections: {{ .Values.proxy.maxConnections }}
static_resources:
  listeners:
    - name: clients
      address: {socket_address: {address: 0.0.0.0, port_value: {{ .Values.proxy.port }}}}
      per_connection_buffer_limit_bytes: 65536
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                {{- include "vllm.proxy.connections" "clients" | nindent 16 }}
                # Between the word that a connection ends and its end.
                drain_timeout: 1s
                # A body that trickles in keeps a connection; the answer has no such bound.
                request_timeout: 60s
                stream_idle_timeout: 0s
                # The gateway's number goes on to the engine and back.
                preserve_external_request_id: true
                always_set_request_id_in_response: true
                common_http_protocol_options:
                  # A connection without a request is closed before the engine ends: its next request would be lost.
                  idle_timeout: {{ max 1 (sub .Values.engine.preStopSeconds 4) }}s
                  headers_with_underscores_action: REJECT_REQUEST
                http2_protocol_options:
                  max_concurrent_streams: 256
                  initial_stream_window_size: 65536
                  initial_connection_window_size: 1048576
                access_log:
                  - name: envoy.access_loggers.stdout
                    filter:
                      not_health_check_filter: {}
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format:
                        json_format:
                          time: "%START_TIME%"
                          request_id: "%REQ(X-REQUEST-ID)%"
                          method: "%REQ(:METHOD)%"
                          # Without its query, in which a client may have put anything.
                          path: "%PATH(NQ)%"
                          status: "%RESPONSE_CODE%"
                          details: "%RESPONSE_CODE_DETAILS%"
                          flags: "%RESPONSE_FLAGS%"
                          bytes_in: "%BYTES_RECEIVED%"
                          bytes_out: "%BYTES_SENT%"
                          milliseconds: "%DURATION%"
                          client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
                http_filters:
                  # While the pod drains, health is refused and every answer asks its client to leave.
                  - name: envoy.filters.http.health_check
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck
                      pass_through_mode: true
                      headers:
                        - name: ":path"
                          string_match: {exact: {{ .Values.engine.healthPath }}}
                  # Requests are taken whole, up to this size; answers are never held.
                  - name: envoy.filters.http.buffer
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
                      max_request_bytes: {{ int64 .Values.proxy.maxRequestBytes }}
                  # The proxy outlives its engine, and so would a client's kept connection: all its requests would
                  # fail here until the engine has loaded again, while the Service knows others that answer. So a 503
                  # is the last answer of its connection.
                  - name: envoy.filters.http.lua
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
                      default_source_code:
                        inline_string: |
                          function envoy_on_response(handle)
                            if handle:headers():get(":status") == "503" then
                              handle:streamInfo():drainConnectionUponCompletion()
                            end
                          end
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                      suppress_envoy_headers: true
                local_reply_config:
                  body_format:
                    # As the engine words its own refusals.
                    json_format:
                      error:
                        message: "%LOCAL_REPLY_BODY%"
                        type: "%RESPONSE_CODE_DETAILS%"
                        code: "%RESPONSE_CODE%"
                route_config:
                  name: clients
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        {{- include "vllm.proxy.routes" . | nindent 24 }}
                        - match: {prefix: "/"}
                          direct_response:
                            status: 404
                            body: {inline_string: "this path and method are not served here"}
          {{- if $tls }}
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_params: {tls_minimum_protocol_version: TLSv1_3}
                tls_certificate_sds_secret_configs:
                  - name: own
                    sds_config:
                      resource_api_version: V3
                      path_config_source: {path: /etc/proxy/certificate.yaml}
          {{- end }}
    - name: metrics
      address: {socket_address: {address: 0.0.0.0, port_value: {{ .Values.proxy.metricsPort }}}}
      # Clients that hold every connection, or all memory, must not take liveness, metrics and drain with them: kubelet
      # would start the proxy again and cut every answer.
      ignore_global_conn_limit: true
      bypass_overload_manager: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                {{- include "vllm.proxy.connections" "metrics" | nindent 16 }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                route_config:
                  name: metrics
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {path: {{ .Values.engine.metricsPath }}, headers: [{name: ":method", string_match: {exact: GET}}]}
                          route: {cluster: engine, timeout: 10s}
                        # The proxy's own: how many it refused, and when its certificate ends.
                        - match: {path: /metrics/proxy, headers: [{name: ":method", string_match: {exact: GET}}]}
                          route: {cluster: admin, timeout: 10s, prefix_rewrite: /stats/prometheus}
                        - match: {prefix: "/"}
                          direct_response: {status: 404}
    # For the engine's probes, inside the pod: two of the proxy's own switches, and no other.
    - name: door
      address: {socket_address: {address: 127.0.0.1, port_value: {{ .Values.proxy.doorPort }}}}
      ignore_global_conn_limit: true
      bypass_overload_manager: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                {{- include "vllm.proxy.connections" "door" | nindent 16 }}
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
                route_config:
                  name: door
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {path: /drain, headers: [{name: ":method", string_match: {exact: POST}}]}
                          route: {cluster: admin, timeout: 5s, prefix_rewrite: /healthcheck/fail}
                        - match: {path: /undrain, headers: [{name: ":method", string_match: {exact: POST}}]}
                          route: {cluster: admin, timeout: 5s, prefix_rewrite: /healthcheck/ok}
                        - match: {prefix: "/"}
                          direct_response: {status: 404}
  clusters:
    - name: engine
      type: STATIC
      connect_timeout: 1s
      per_connection_buffer_limit_bytes: 65536
      # The engine's own queue bounds what waits, with an answer that says so.
      circuit_breakers:
        thresholds:
          - {max_connections: {{ .Values.proxy.maxConnections }}, max_pending_requests: {{ .Values.proxy.maxConnections }}, max_requests: {{ .Values.proxy.maxConnections }}, max_retries: 64}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          # uvicorn closes a connection that was idle for 5 s (its own default): the proxy does it first.
          common_http_protocol_options: {idle_timeout: 4s}
          explicit_http_config: {http_protocol_options: {}}
      load_assignment:
        cluster_name: engine
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{ .Values.engine.port }}}}}
    - name: admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {pipe: {path: /run/proxy/admin.sock}}}
{{- end -}}

{{/* The certificate is a file that cert-manager renews under the proxy's hands: the folder is watched. */}}
{{- define "vllm.proxy.certificate" -}}
resources:
  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
    name: own
    tls_certificate:
      certificate_chain: {filename: /etc/proxy-tls/tls.crt}
      private_key: {filename: /etc/proxy-tls/tls.key}
      watched_directory: {path: /etc/proxy-tls}
{{- end -}}

{{/* A native sidecar: it is there before the engine, and goes after the engine's last answer. */}}
{{- define "vllm.proxy.container" -}}
{{- $images := .Values.images -}}
- name: proxy
  image: {{ include "vllm.image" (dict "image" $images.proxy "name" "proxy" "allowed" $images.allowUnresolved) }}
  imagePullPolicy: IfNotPresent
  restartPolicy: Always
  command: [envoy]
  # One worker thread: it moves tokens that a GPU makes, and a stream more is a few kilobytes a second.
  args: [--config-path, /etc/proxy/envoy.yaml, --concurrency, "1", --disable-hot-restart, --log-level, warning]
  ports:
    - {name: http, containerPort: {{ .Values.proxy.port }}, protocol: TCP}
    - {name: metrics, containerPort: {{ .Values.proxy.metricsPort }}, protocol: TCP}
  resources:
    requests:
      cpu: 200m
      memory: {{ .Values.proxy.memoryMib }}Mi
      ephemeral-storage: 64Mi
    limits:
      memory: {{ .Values.proxy.memoryMib }}Mi
  securityContext:
    {{- include "vllm.containerSecurity" . | nindent 4 }}
  # Through all that a client passes: TLS, the proxy, the engine. Refused while the pod drains.
  readinessProbe:
    httpGet:
      path: {{ .Values.engine.healthPath }}
      port: {{ .Values.proxy.port }}
      scheme: {{ ternary "HTTPS" "HTTP" (ne .Values.tls.secretName "") }}
    periodSeconds: 5
    timeoutSeconds: 5
    failureThreshold: 2
  # Its own answer, without the engine's: a route that is not there.
  livenessProbe:
    httpGet:
      path: /metrics/proxy
      port: {{ .Values.proxy.metricsPort }}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: proxy-config
      mountPath: /etc/proxy
      readOnly: true
    - name: proxy-run
      mountPath: /run/proxy
    {{- if .Values.tls.secretName }}
    - name: proxy-tls
      mountPath: /etc/proxy-tls
      readOnly: true
    {{- end }}
{{- end -}}

{{- define "vllm.proxy.volumes" -}}
- name: proxy-config
  configMap:
    name: {{ include "vllm.name" . }}-proxy
    defaultMode: 0444
- name: proxy-run
  emptyDir:
    sizeLimit: 1Mi
{{- with .Values.tls.secretName }}
- name: proxy-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}
