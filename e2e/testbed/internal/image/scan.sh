#!/bin/sh
# A scanner for BuildKit's SBOM protocol: an in-toto statement for each file
# system that it is given, with the files in it and their checksums.
set -eu

statement() {
	printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{'
	printf '"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"%s",' "$1"
	printf '"documentNamespace":"https://slipway.test/sbom/%s",' "$1"
	printf '"creationInfo":{"created":"1970-01-01T00:00:00Z","creators":["Tool: slipway-testbed-scanner"]},"files":['
	count=0
	# A name may hold what JSON must not.
	find . -type f -print0 | sort -z | xargs -0 -r sha256sum | sed 's/[\\"]/\\&/g' | while read -r sum name; do
		[ "$count" = 0 ] || printf ','
		count=$((count + 1))
		printf '{"SPDXID":"SPDXRef-File-%s","fileName":"%s",' "$count" "$name"
		printf '"checksums":[{"algorithm":"SHA256","checksumValue":"%s"}],' "$sum"
		printf '"licenseConcluded":"NOASSERTION","copyrightText":"NOASSERTION"}'
	done
	printf ']}}\n'
}

for root in "$BUILDKIT_SCAN_SOURCE" "${BUILDKIT_SCAN_SOURCE_EXTRAS:-/nowhere}"/*; do
	# The extras are optional; where there are none the pattern is what is left.
	[ -d "$root" ] || continue
	name=$(basename "$root")
	(cd "$root" && statement "$name") >"$BUILDKIT_SCAN_DESTINATION/$name.spdx.json"
done
