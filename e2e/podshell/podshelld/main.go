// Command podshelld runs the scripts that package podshell sends, in an agent's pod.
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/slipway-build/slipway/e2e/podshell"
)

func main() {
	server := &http.Server{Addr: ":" + podshell.Port, Handler: podshell.Handler(), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
