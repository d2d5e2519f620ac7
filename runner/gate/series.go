package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Sample is one of a query's, with its labels.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Samples asks Prometheus a query whose answer is an instant vector, one sample a node say. None is no error.
func (w World) Samples(ctx context.Context, query string) ([]Sample, error) {
	p := w.Prometheus
	client, err := w.client(p.CAFile)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	body, err := p.post(ctx, client, query)
	if err != nil {
		return nil, err
	}
	return samples(body)
}

func samples(body []byte) ([]Sample, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, errors.New("it didn't answer as Prometheus does: see url under [prometheus]")
	}
	if a.Status != "success" {
		return nil, fmt.Errorf("it answered %q: %s", a.Status, cut(a.Error))
	}
	var vector []struct {
		Metric map[string]string
		Value  []json.RawMessage
	}
	if a.Data.ResultType != "vector" || json.Unmarshal(a.Data.Result, &vector) != nil {
		return nil, fmt.Errorf("the query makes a %s, and no vector", a.Data.ResultType)
	}
	var all []Sample
	for _, v := range vector {
		var text string
		if len(v.Value) != 2 || json.Unmarshal(v.Value[1], &text) != nil {
			continue // a histogram
		}
		if n, err := number(text); err == nil { // NaN is no reading
			all = append(all, Sample{v.Metric, n})
		}
	}
	return all, nil
}
