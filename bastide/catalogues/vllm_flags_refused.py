"""Flags of vLLM that nothing may pass, and why. Pure data; see `vllm_flags`.

Sources: vLLM's security guide and the flags' own descriptions in 0.32.0, and what the kit itself decides."""

from __future__ import annotations

from typing import Final

_RUNS_CODE: Final = "it names code that the engine then imports and runs"
_REMOTE_CODE: Final = "it runs Python that lies beside the weights, which no digest of ours made trustworthy"
_WEIGHTS: Final = (
    "the engine loads only the verified folder, as safetensors: other formats can run code when "
    "loaded, and other places were not verified"
)
_CLIENT_TRUST: Final = "it lets a request change how the engine works, not only what it answers"
_MEDIA: Final = (
    "it changes what the engine fetches or decodes for a request; `media.domains` is the only way in"
)
_EXPOSES: Final = "it opens routes that are not for clients"
_TELLS: Final = "it writes prompts, answers or stack traces into logs and responses"
_FINGERPRINT: Final = "the kit leaves it out of answers, which would tell clients version and configuration"
_KEY: Final = (
    "a key in arguments can be read by everyone who may read pods, and guards only some routes; the "
    "gateway checks who asks"
)
_SERVER: Final = "the kit sets how the engine listens, and what stands in front of it"
_TOOL_SERVER: Final = (
    "the engine would call servers of tools by itself, and the built-in one runs code that the model wrote"
)
_FILE: Final = "it reads or writes a file in the pod, whose root is read-only and whose files nobody verified"
_CONNECTS: Final = "it opens connections to other engines, which network policies and the planner do not know"
_MEMORY: Final = "it takes memory of the node that the pod did not ask for"
_UNPLANNED: Final = "the planner counts GPUs and KV cache without it, so its figures would be wrong"
_TIMING: Final = (
    "`sha256` is the only hash for which no two prompts of different tenants are known to collide"
)
_METRICS: Final = "alerts, dashboards and scaling read what it changes or turns off"
_DEPRECATED: Final = "vLLM refuses the quantization for a reason: no kernel for it is kept any more"

REFUSED: Final[dict[str, str]] = {
    "--additional-config": _RUNS_CODE,
    "--allow-credentials": _SERVER,
    "--allow-deprecated-quantization": _DEPRECATED,
    "--allowed-headers": _SERVER,
    "--allowed-local-media-path": _MEDIA,
    "--allowed-methods": _SERVER,
    "--allowed-origins": _SERVER,
    "--api-key": _KEY,
    "--api-server-count": _SERVER,
    "--attention-config": _RUNS_CODE,
    "--aux-output-config": _RUNS_CODE,
    "--chat-template": _FILE,
    "--compilation-config": _RUNS_CODE,
    "--config": _FILE,
    "--config-format": _RUNS_CODE,
    "--cp-kv-cache-interleave-size": _UNPLANNED,
    "--cpu-offload-gb": _MEMORY,
    "--cpu-offload-params": _MEMORY,
    "--custom-histogram-buckets": _METRICS,
    "--dcp-comm-backend": _UNPLANNED,
    "--dcp-kv-cache-interleave-size": _UNPLANNED,
    "--dcp-q-replicate": _UNPLANNED,
    "--decode-context-parallel-size": _UNPLANNED,
    "--default-mm-loras": _FILE,
    "--device-ids": _UNPLANNED,
    "--diffusion-config": _RUNS_CODE,
    "--disable-fastapi-docs": _EXPOSES,
    "--disable-log-stats": _METRICS,
    "--disable-sliding-window": _UNPLANNED,
    "--distributed-executor-backend": _CONNECTS,
    "--download-dir": _WEIGHTS,
    "--ec-manager-config": _RUNS_CODE,
    "--ec-transfer-config": _CONNECTS,
    "--elastic-ep-max-dp-size": _CONNECTS,
    "--enable-cumem-allocator": _UNPLANNED,
    "--enable-elastic-ep": _CONNECTS,
    "--enable-fault-tolerance": _CONNECTS,
    "--enable-hc-sp": _UNPLANNED,
    "--enable-log-deltas": _TELLS,
    "--enable-log-outputs": _TELLS,
    "--enable-log-requests": _TELLS,
    "--enable-mm-embeds": _CLIENT_TRUST,
    "--enable-nccl-comm-suspend": _UNPLANNED,
    "--enable-offline-docs": _EXPOSES,
    "--enable-prompt-embeds": _CLIENT_TRUST,
    "--enable-request-id-headers": _SERVER,
    "--enable-return-routed-experts": _EXPOSES,
    "--enable-scale-out": _EXPOSES,
    "--enable-server-load-tracking": _EXPOSES,
    "--enable-sleep-mode": _EXPOSES,
    "--enable-ssl-refresh": _SERVER,
    "--enable-tokenizer-info-endpoint": _EXPOSES,
    "--enable-trace-replay": _EXPOSES,
    "--engram-config": _RUNS_CODE,
    "--fault-tolerance-config": _CONNECTS,
    "--fingerprint-mode": _FINGERPRINT,
    "--fingerprint-value": _FINGERPRINT,
    "--grpc": _SERVER,
    "--grpc-port": _SERVER,
    "--h11-max-header-count": _SERVER,
    "--h11-max-incomplete-event-size": _SERVER,
    "--hf-config-path": _RUNS_CODE,
    "--hf-overrides": _RUNS_CODE,
    "--hf-token": _WEIGHTS,
    "--host": _SERVER,
    "--ignore-patterns": _WEIGHTS,
    "--io-processor-plugin": _RUNS_CODE,
    "--kernel-config": _RUNS_CODE,
    "--kv-cache-dtype-skip-layers": _UNPLANNED,
    "--kv-cache-memory-bytes": _UNPLANNED,
    "--kv-events-config": _CONNECTS,
    "--kv-offloading-backend": _MEMORY,
    "--kv-offloading-size": _MEMORY,
    "--kv-sharing-fast-prefill": _UNPLANNED,
    "--kv-transfer-config": _CONNECTS,
    "--load-format": _WEIGHTS,
    "--log-error-stack": _TELLS,
    "--logits-processors": _RUNS_CODE,
    "--max-log-len": _TELLS,
    "--media-io-kwargs": _MEDIA,
    "--middleware": _RUNS_CODE,
    "--mm-encoder-fp8-scale-path": _FILE,
    "--mm-encoder-fp8-scale-save-margin": _FILE,
    "--mm-encoder-fp8-scale-save-path": _FILE,
    "--mm-processor-kwargs": _MEDIA,
    "--model-class-overrides": _RUNS_CODE,
    "--model-impl": _RUNS_CODE,
    "--model-loader-extra-config": _WEIGHTS,
    "--num-gpu-blocks-override": _UNPLANNED,
    "--offload-backend": _MEMORY,
    "--offload-group-size": _MEMORY,
    "--offload-num-in-group": _MEMORY,
    "--offload-params": _MEMORY,
    "--offload-prefetch-step": _MEMORY,
    "--port": _SERVER,
    "--prefill-context-parallel-size": _UNPLANNED,
    "--prefix-caching-hash-algo": _TIMING,
    "--profiler-config": _FILE,
    "--pt-load-map-location": _WEIGHTS,
    "--quantization-config": _RUNS_CODE,
    "--ray-workers-use-nsight": _CONNECTS,
    "--reasoning-config": _RUNS_CODE,
    "--reasoning-parser-plugin": _RUNS_CODE,
    "--return-sampling-mask": _EXPOSES,
    "--root-path": _SERVER,
    "--scheduler-cls": _RUNS_CODE,
    "--show-hidden-metrics-for-version": _METRICS,
    "--skip-tokenizer-init": _RUNS_CODE,
    "--sleep-mode-offload-cudagraph": _EXPOSES,
    "--sleep-preserve-parameter-names": _EXPOSES,
    "--ssl-ca-certs": _SERVER,
    "--ssl-cert-reqs": _SERVER,
    "--ssl-certfile": _SERVER,
    "--ssl-ciphers": _SERVER,
    "--ssl-keyfile": _SERVER,
    "--structured-outputs-config": _RUNS_CODE,
    "--tokenizer-mode": _RUNS_CODE,
    "--tokens-only": _EXPOSES,
    "--tool-parser-plugin": _RUNS_CODE,
    "--tool-server": _TOOL_SERVER,
    "--trust-remote-code": _REMOTE_CODE,
    "--trust-request-chat-template": _CLIENT_TRUST,
    "--trust-request-mm-kwargs": _CLIENT_TRUST,
    "--uds": _SERVER,
    "--watermark-config": _RUNS_CODE,
    "--weight-transfer-config": _WEIGHTS,
    "--worker-cls": _RUNS_CODE,
    "--worker-extension-cls": _RUNS_CODE,
}
"""Why, by flag."""

GONE: Final[dict[str, str]] = {
    "--block-manager": "there is one block manager",
    "--cuda-graph-sizes": "--cudagraph-capture-sizes took its place",
    "--device": "the image decides what it runs on",
    "--disable-async-output-proc": "output is always processed beside the next step",
    "--disable-frontend-multiprocessing": "the engine always has a process of its own",
    "--disable-log-requests": "requests are not logged by default",
    "--disable-mm-preprocessor-cache": "--mm-processor-cache-gb=0 took its place",
    "--enable-prompt-adapter": "prompt adapters are gone; `lora` has adapters",
    "--enable-reasoning": "`reasoning.parser` alone turns it on",
    "--engine-use-ray": "the engine always has a process of its own",
    "--guided-decoding-backend": "the engine chooses the backend of structured output for each request",
    "--guided-decoding-disable-fallback": "the engine chooses the backend of structured output for each request",
    "--long-lora-scaling-factors": "such adapters are gone; `lora` has adapters",
    "--lora-extra-vocab-size": "adapters bring no vocabulary of their own any more",
    "--max-num-on-the-fly-seq-groups": "`maxNumSeqs` bounds the batch",
    "--max-prompt-adapters": "prompt adapters are gone; `lora` has adapters",
    "--max-seq-len-to-capture": "--max-cudagraph-capture-size bounds what is captured",
    "--multi-step-stream-outputs": "steps are scheduled one by one; --async-scheduling overlaps them",
    "--ngram-prompt-lookup-max": "`speculation` of kind ngram has promptLookupMax",
    "--ngram-prompt-lookup-min": "`speculation` of kind ngram has promptLookupMin",
    "--num-lookahead-slots": "`speculation` says how many tokens are guessed",
    "--num-scheduler-steps": "steps are scheduled one by one; --async-scheduling overlaps them",
    "--num-speculative-tokens": "`speculation` has tokens",
    "--override-neuron-config": "that device is served by a package of its own",
    "--override-pooler-config": "--pooler-config took its place",
    "--preemption-mode": "a preempted sequence is always computed again",
    "--qlora-adapter-name-or-path": "such adapters are gone; `lora` has adapters",
    "--rope-scaling": "the model's own configuration has it",
    "--rope-theta": "the model's own configuration has it",
    "--speculative-draft-tensor-parallel-size": "`speculation` of kind draft-model has tensorParallel",
    "--speculative-max-model-len": "`speculation` took its place",
    "--speculative-model": "`speculation` took its place",
    "--swap-space": "a preempted sequence is computed again, never swapped to the CPU",
    "--task": "`runner` took its place",
    "--tokenizer-pool-size": "--renderer-num-workers took its place",
    "--tokenizer-pool-type": "--renderer-num-workers took its place",
    "--use-v2-block-manager": "there is one block manager",
    "--worker-use-ray": "workers are processes; `nodes` spreads them over nodes",
}
"""Flags that older versions had and guides still show: what stands in their place. An engine that gets one does not
start."""
