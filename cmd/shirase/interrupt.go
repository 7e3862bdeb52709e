package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruption is the signal that ended a command: the cause of its context.
type interruption struct{ os.Signal }

func (i interruption) Error() string { return "interrupted" }

// code is the exit code by which shells know what a signal ended.
func (i interruption) code() int {
	if i.Signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// interruptible runs a command under a context that the first SIGINT or SIGTERM
// ends: the command looks at it, and leaves nothing half-done. The second ends
// the process, whatever it is doing. That does no harm either: what it was
// writing has no name yet, and what it was recording is in no transaction.
func interruptible(run func(ctx context.Context) int) int {
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		end(interruption{<-signals})
		os.Exit(interruption{<-signals}.code())
	}()
	return run(ctx)
}
