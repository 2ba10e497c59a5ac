package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "time/tzdata" // times are shown in Europe/Oslo, also where no zone files are

	"samdok/internal/telemetry"
)

func main() { os.Exit(run()) }

// run gives the commands what they may know of the process. The first SIGINT or
// SIGTERM ends the context; the second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	log.SetFlags(0)
	log.SetOutput(telemetry.Libraries(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	c := &cli{
		in: interruptible{ctx, os.Stdin}, out: os.Stdout, err: os.Stderr,
		environment: os.Environ(), clock: time.Now,
		terminal: isTerminal(os.Stderr),
	}
	return c.execute(ctx, os.Args[1:])
}
