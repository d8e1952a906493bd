package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAdaptTekton(t *testing.T) {
	got := adaptTekton(`      - name: webhook
        image: ko://github.com/tektoncd/pipeline/cmd/webhook
        args: [
          "-nop-image", "ko://github.com/tektoncd/pipeline/cmd/nop",
          "-shell-image", "cgr.dev/chainguard/busybox@sha256:1",
          "-shell-image-win", "mcr.microsoft.com/powershell:nanoserver@sha256:2",
        ]
  set-security-context: "false"
`, "tekton:1", "busybox:1")
	want := `      - name: webhook
        image: tekton:1
        command: [/ko-app/webhook]
        args: [
          "-nop-image", "tekton:1",
          "-shell-image", "busybox:1",
          "-shell-image-win", "mcr.microsoft.com/powershell:nanoserver@sha256:2",
        ]
  set-security-context: "true"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the manifest (-want +got):\n%s", diff)
	}
}
