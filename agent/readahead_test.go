package agent

import (
	"context"
	"testing"
	"time"
)

func TestReadAhead(t *testing.T) {
	began, ended := make(chan struct{}), false
	stop := readAhead(t.Context(), 0, func(ctx context.Context) {
		close(began)
		<-ctx.Done()
		ended = true
	})
	<-began
	stop()
	if !ended {
		t.Error("it is still reading")
	}
	stop()

	stop = readAhead(t.Context(), time.Hour, func(context.Context) { t.Error("it reads although the builder has answered") })
	stop()
}
