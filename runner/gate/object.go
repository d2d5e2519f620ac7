package gate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/client-go/util/jsonpath"
)

// askObjects reads a field of each object. With bounds the reading is all their numbers; with equals it is the first value
// that isn't as wanted, with whose it is, or the first of all where each is.
func (w World) askObjects(s Spec) func(context.Context, []string, []string) (string, error) {
	return func(ctx context.Context, _, _ []string) (string, error) {
		objects, err := w.Objects(ctx, s.Object)
		if err != nil {
			return "", err
		}
		if len(objects) == 0 {
			return "", fmt.Errorf("there is no %s%s", s.Object.Resource, inNamespace(s.Object.Namespace))
		}
		var readings []string
		for _, o := range objects {
			value, err := field(o, s.Object.JSONPath)
			if err == nil && s.bounded() {
				_, err = number(value)
			}
			if err != nil {
				return "", fmt.Errorf("%s: %w", nameOf(o), err)
			}
			if !s.bounded() && !slices.Contains(s.Equals, value) {
				return cut(value) + " (" + nameOf(o) + ")", nil
			}
			readings = append(readings, value)
		}
		if !s.bounded() {
			return readings[0], nil
		}
		return strings.Join(readings, " "), nil
	}
}

// CheckJSONPath returns why a path can't be used; nil if it can.
func CheckJSONPath(path string) error {
	return jsonpath.New("").Parse(braced(path))
}

// braced lets people leave the braces out, as kubectl does.
func braced(path string) string {
	if strings.HasPrefix(path, "{") {
		return path
	}
	return "{." + strings.TrimPrefix(path, ".") + "}"
}

// field is the one value that the path finds.
func field(object map[string]any, path string) (string, error) {
	j := jsonpath.New("")
	if err := j.Parse(braced(path)); err != nil {
		return "", err
	}
	results, err := j.FindResults(object)
	if err != nil {
		return "", err
	}
	var values []reflect.Value
	for _, r := range results {
		values = append(values, r...)
	}
	if len(values) != 1 {
		return "", fmt.Errorf("%s finds %d values, and one is wanted", path, len(values))
	}
	return scalar(values[0].Interface())
}

func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		if v = strings.TrimSpace(v); v == "" {
			return "", errors.New("the field is empty")
		}
		return v, nil
	case nil:
		return "", errors.New("the field is null")
	case map[string]any, []any:
		return "", errors.New("the field is no single value")
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return fmt.Sprint(v), nil
}

func nameOf(object map[string]any) string {
	meta, _ := object["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	if namespace, _ := meta["namespace"].(string); namespace != "" {
		return namespace + "/" + name
	}
	return name
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in namespace " + namespace
}
