// Manyclients holds connections to a BuildKit socket for some time, and asks over each of
// them once a second.
//
//	manyclients SOCKET CONNECTIONS DURATION
//
// It prints how many questions were answered, and fails when one was not.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// life is how long a connection stands until another one takes its place.
const life = time.Minute

// pause is between the first connections, each of which costs the other side two to a
// builder.
const pause = 100 * time.Millisecond

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manyclients:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want SOCKET CONNECTIONS DURATION, not %q", args)
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	duration, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var all sync.WaitGroup
	var answered, failed atomic.Int64
	var first error
	var once sync.Once
	for i := range connections {
		all.Go(func() {
			select {
			case <-time.After(time.Duration(i) * pause):
			case <-ctx.Done():
			}
			for ctx.Err() == nil {
				if err := hold(ctx, args[0], &answered); err != nil {
					failed.Add(1)
					once.Do(func() { first = err })
				}
			}
		})
	}
	all.Wait()
	fmt.Println(answered.Load(), "answers")
	if failed.Load() > 0 {
		return fmt.Errorf("%d connections failed, the first: %w", failed.Load(), first)
	}
	return nil
}

// hold asks over one connection until its life or ctx ends.
func hold(ctx context.Context, socket string, answered *atomic.Int64) error {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	for end := time.Now().Add(life); time.Now().Before(end) && ctx.Err() == nil; {
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		_, err := control.NewControlClient(conn).ListWorkers(one, &control.ListWorkersRequest{})
		cancel()
		if err != nil {
			return err
		}
		answered.Add(1)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}
