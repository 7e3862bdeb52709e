package main

import (
	"context"

	"shirase/internal/actor"
	"shirase/internal/serve"
	"shirase/internal/services"
	"shirase/internal/site"
)

// mountServices serves the list by which people find on their own device what concerns a service that they use. It has the budget of
// whoever reads the archive.
func mountServices(ctx context.Context, in *instance, o site.Options, server *serve.Server) (*services.Services, error) {
	lists, err := services.New(ctx, services.Rooms{DB: in.db, Archive: in.archive.Public(),
		Record: func(ctx context.Context, head []byte, list string) (int64, []byte, error) {
			return in.publisher.RecordServices(ctx, actor.Server(), head, list)
		},
		Proof: in.publisher.Proof, Served: in.publisher.Served})
	if err != nil {
		return nil, err
	}
	server.Mount(lists.Handler(o.Allow, in.log), "/services/v1/")
	return lists, nil
}
