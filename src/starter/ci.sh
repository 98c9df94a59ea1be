#!/bin/sh
# What a CI job runs. A plan that contradicts itself or a gate that failed stops it; evidence that is still missing (4)
# does not. On GitHub and Forgejo a step `run: sh ci/bizra.sh` does, on GitLab and Woodpecker the same line.
# To make receipts in the job, give it a key in BIZRA_KEY and leave --dry-run out.
set -eu
bizra roadmap lint
if [ -n "${BIZRA_REMOTE:-}" ]; then bizra receipts fetch "$BIZRA_REMOTE"; fi
bizra roadmap gate --dry-run || [ $? -eq 4 ]
