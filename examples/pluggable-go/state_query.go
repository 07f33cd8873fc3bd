package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	pb "github.com/dapr/dapr/pkg/proto/components/v1"
)

// match is a value that meets a query; document is nil where it is not JSON.
type match struct {
	key      string
	entry    entry
	document any
}

// Query finds values by their content.
func (s *stateStore) Query(ctx context.Context, request *pb.QueryRequest) (*pb.QueryResponse, error) {
	conditions := map[string]any{}
	for operator, operand := range request.Query.Filter {
		var parsed any
		if err := json.Unmarshal(operand.Value, &parsed); err != nil {
			return nil, err
		}
		conditions[operator] = parsed
	}
	data, unlock := s.lock(ctx)
	defer unlock()
	var matches []match
	for _, key := range slices.Sorted(maps.Keys(data.entries)) {
		found, there := data.find(key)
		var document any
		if !there || json.Unmarshal(found.value, &document) != nil && len(conditions) > 0 {
			continue
		}
		if meetsAll(document, conditions) {
			matches = append(matches, match{key, found, document})
		}
	}
	slices.SortStableFunc(matches, func(left, right match) int {
		for _, sorting := range request.Query.Sort {
			order := compare(at(left.document, sorting.Key), at(right.document, sorting.Key))
			if sorting.Order == pb.Sorting_DESC {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	return page(matches, request.Query.Pagination), nil
}

func page(matches []match, wanted *pb.Pagination) *pb.QueryResponse {
	start, _ := strconv.Atoi(wanted.GetToken())
	end := len(matches)
	if limit := int(wanted.GetLimit()); limit > 0 {
		end = min(start+limit, end)
	}
	response := &pb.QueryResponse{}
	for _, one := range matches[min(start, end):end] {
		item := &pb.QueryItem{Key: one.key, Data: one.entry.value, Etag: &pb.Etag{Value: one.entry.version}}
		response.Items = append(response.Items, item)
	}
	if end < len(matches) {
		response.Token = strconv.Itoa(end)
	}
	return response
}

func meetsAll(document any, conditions map[string]any) bool {
	for operator, operand := range conditions {
		if !meets(document, operator, operand) {
			return false
		}
	}
	return true
}

// meets tells whether a document meets a condition such as `EQ`, `{"person.name": "Ann"}`.
func meets(document any, operator string, operand any) bool {
	if parts, isList := operand.([]any); isList {
		met := func(part any) bool {
			conditions, _ := part.(map[string]any)
			return meetsAll(document, conditions)
		}
		if operator == "OR" {
			return slices.ContainsFunc(parts, met)
		}
		return !slices.ContainsFunc(parts, func(part any) bool { return !met(part) })
	}
	pair, _ := operand.(map[string]any)
	for path, wanted := range pair {
		value := at(document, path)
		switch {
		case value == nil:
			return false
		case operator == "EQ" || operator == "NEQ":
			return reflect.DeepEqual(value, wanted) == (operator == "EQ")
		case operator == "IN":
			list, _ := wanted.([]any)
			return slices.ContainsFunc(list, func(one any) bool { return reflect.DeepEqual(value, one) })
		case reflect.TypeOf(value) != reflect.TypeOf(wanted):
			return false
		}
		order := compare(value, wanted)
		return order == 0 && strings.HasSuffix(operator, "E") || order > 0 && operator[0] == 'G' || order < 0 && operator[0] == 'L'
	}
	return true
}

// at gives the value at a path such as `person.name`; nil: there is none.
func at(document any, path string) any {
	for _, name := range strings.Split(path, ".") {
		object, _ := document.(map[string]any)
		document = object[name]
	}
	return document
}

// compare puts numbers before texts before the rest.
func compare(left, right any) int {
	if a, isNumber := left.(float64); isNumber {
		if b, isNumber := right.(float64); isNumber {
			return cmp.Compare(a, b)
		}
	}
	return cmp.Compare(ranked(left), ranked(right))
}

func ranked(value any) string {
	switch value.(type) {
	case float64:
		return "0"
	case string:
		return fmt.Sprintf("1%v", value)
	default:
		return fmt.Sprintf("2%v", value)
	}
}
