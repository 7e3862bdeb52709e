// Package web is what every page and every API of Shirase stands on: the language of a request, error answers and static
// assets.
//
// It knows nothing of incidents, cases or checks. What differs between doors (their pages, the sentinel errors of
// the rooms they show) is passed in by value.
package web
