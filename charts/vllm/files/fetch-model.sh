#!/bin/bash
# Copies one published version of a model from S3 and accepts it only when it is exactly what was published.
#
# Uses bash, coreutils and the AWS CLI: the CLI's image promises no find, awk or diff.
# In: MODEL_BUCKET, MODEL_PREFIX (with its slash), MODEL_PATH, MODEL_SHA256 (may be empty), WORK_DIR (writable).
# A refusal's reason is the container's termination message, so `kubectl describe pod` shows it.
set -euo pipefail
shopt -s globstar dotglob nullglob
export LC_ALL=C

TERMINATION_LOG=${TERMINATION_LOG:-/dev/termination-log}

refuse() {
  printf 'model refused: %s\n' "$*" | tee "$TERMINATION_LOG" >&2
  exit 1
}

source_url="s3://$MODEL_BUCKET/$MODEL_PREFIX"

# The volumes outlive a container that is started again: half a file or half a list would be refused for ever.
rm -rf -- "$MODEL_PATH" "$WORK_DIR"/part*

# The manifest is published last: without it the version is not whole, whatever else lies there.
aws s3 cp --only-show-errors "${source_url}manifest.json" "$WORK_DIR/manifest.json" 2>"$WORK_DIR/error" \
  || refuse "${source_url}manifest.json cannot be read: the version was not published to its end, or the" \
    "pod's identity may not read it: $(tail -n 1 "$WORK_DIR/error")"

mkdir -p "$MODEL_PATH"
aws s3 cp --recursive --only-show-errors --exclude manifest.json "$source_url" "$MODEL_PATH" \
  2>"$WORK_DIR/error" || refuse "copy of $source_url failed: $(tail -n 1 "$WORK_DIR/error")"

cd "$MODEL_PATH"
[[ -f SHA256SUMS ]] || refuse "${source_url} has no SHA256SUMS"

if [[ -n "$MODEL_SHA256" ]]; then
  read -r found _ < <(sha256sum SHA256SUMS)
  [[ "$found" == "$MODEL_SHA256" ]] \
    || refuse "SHA256SUMS has SHA-256 $found and the stack asks for $MODEL_SHA256: this is another model," \
      "or the bucket was changed"
fi

for file in **; do
  [[ -d "$file" ]] && continue
  [[ "$file" == SHA256SUMS ]] && continue
  case "$file" in
    *.bin | *.ckpt | *.pickle | *.pkl | *.pt | *.pth | *.py)
      refuse "$file can run code when it is loaded; only safetensors and data are served" ;;
  esac
  printf '%s\n' "$file"
done | sort >"$WORK_DIR/present" || exit 1

# A line of SHA256SUMS: 64 hexadecimal digits, two spaces, the name.
while IFS= read -r line; do
  [[ "$line" =~ ^[0-9a-f]{64}\ \ [^/].*$ ]] || refuse "SHA256SUMS has a line that is no checksum: $line"
  printf '%s\n' "${line:66}"
done <SHA256SUMS | sort >"$WORK_DIR/listed" || exit 1

[[ -s "$WORK_DIR/listed" ]] || refuse "SHA256SUMS lists no file"
missing=$(comm -13 "$WORK_DIR/present" "$WORK_DIR/listed" | head -n 3 | tr '\n' ' ')
[[ -z "$missing" ]] || refuse "missing in the bucket: $missing"
extra=$(comm -23 "$WORK_DIR/present" "$WORK_DIR/listed" | head -n 3 | tr '\n' ' ')
[[ -z "$extra" ]] || refuse "in the bucket but not in SHA256SUMS: $extra"

# Files are checked side by side: one core hashes far less than the disk gives.
checks=()
number=0
while IFS= read -r line; do
  part="$WORK_DIR/part$((number % 8))"
  printf '%s\n' "$line" >>"$part"
  number=$((number + 1))
done <SHA256SUMS
for part in "$WORK_DIR"/part*; do
  sha256sum --check --strict --quiet "$part" >"$part.failed" 2>&1 &
  checks+=("$!:$part.failed")
done
for check in "${checks[@]}"; do
  wait "${check%%:*}" || refuse "$(head -n 1 "${check#*:}")"
done

printf 'model accepted: %s files of %s are what was published\n' "$number" "$source_url"
