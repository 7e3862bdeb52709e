package api

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// object is a JSON object of the OpenAPI document.
type object = map[string]any

// openAPI makes the OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.0) from the routes and the types of what
// they answer. Schemas are JSON Schema 2020-12.
func openAPI() object {
	s := schemas{}
	paths := object{}
	for _, r := range routes {
		paths[r.Path] = object{"get": operation(s, r)}
	}
	problem := s.of(reflect.TypeFor[Problem]())
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Shirase: the archive", "version": "1",
			"description": "Disclosures of data breaches: facts with their sources, notices, organisations. Read-only, public, without a key. " +
				"Answers have an ETag; send it as If-None-Match. Pages follow one another by the Link header. Rows of data sets carry their licence."},
		"servers": []any{object{"url": "/"}},
		"paths":   paths,
		"components": object{"schemas": s, "responses": object{"Problem": object{"description": "Problem details (RFC 9457).",
			"content": object{"application/problem+json": object{"schema": problem}}}}},
	}
}

// operation describes one route.
func operation(s schemas, r Route) object {
	var parameters []any
	for _, segment := range strings.Split(r.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			parameters = append(parameters, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, p := range r.query {
		schema := object{"type": "string"}
		if p.number {
			schema["type"] = "integer"
		}
		if p.enum != nil {
			schema["enum"] = p.enum
		}
		if p.list {
			schema = object{"type": "array", "items": schema}
		}
		parameters = append(parameters, object{"name": p.name, "in": "query", "description": p.what, "schema": schema, "explode": true, "style": "form"})
	}
	content := object{}
	if r.answer != nil {
		content["application/json"] = object{"schema": s.of(r.answer)}
		s[r.answer.Name()].(object)["properties"].(object)["exercise"] = object{"type": "boolean", "description": "true: nothing of it is real"}
	} else {
		content[r.media] = object{}
	}
	header := func(what string) object { return object{"description": what, "schema": object{"type": "string"}} }
	responses := object{
		"200": object{"description": r.EN, "content": content, "headers": object{"ETag": header("Changes with the answer."),
			"Last-Modified": header("Where it is known."), "Link": header("The next page, rel=\"next\" (RFC 8288).")}},
		"304": object{"description": "Nothing has changed."},
		"429": object{"$ref": "#/components/responses/Problem"},
	}
	for _, status := range r.status {
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/Problem"}
	}
	out := object{"operationId": r.id, "summary": r.EN, "responses": responses}
	if parameters != nil {
		out["parameters"] = parameters
	}
	return out
}

// schemas are the types seen so far, by name.
type schemas map[string]any

// of returns the schema of a type: of a struct a reference to it.
func (s schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Struct:
		if _, known := s[t.Name()]; !known {
			s[t.Name()] = nil // for types that hold themselves
			properties, required := object{}, []string{}
			s.members(t, properties, &required)
			s[t.Name()] = object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	panic("api: no schema for " + t.String())
}

// members adds the members of a struct, those of an embedded one as its own.
func (s schemas) members(t reflect.Type, properties object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		if f.Anonymous && !tagged {
			s.members(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		properties[name] = s.of(f.Type)
		if !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
}
