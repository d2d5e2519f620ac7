package gate

import (
	"strings"
	"testing"
)

func TestSamples(t *testing.T) {
	got, err := samples([]byte(`{"status":"success","data":{"resultType":"vector","result":[
{"metric":{"instance":"n1:9100"},"value":[1,"42.5"]},{"metric":{"instance":"n2:9100"},"value":[1,"NaN"]},{"metric":{},"histogram":[1,{}]}]}}`))
	if err != nil || len(got) != 1 || got[0].Labels["instance"] != "n1:9100" || got[0].Value != 42.5 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := samples([]byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`)); err != nil || len(got) != 0 {
		t.Errorf("none: %+v, %v", got, err)
	}
	for body, want := range map[string]string{
		"<html>": "didn't answer as Prometheus does",
		`{"status":"error","error":"too many samples"}`:                        "too many samples",
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`: "makes a scalar",
	} {
		if _, err := samples([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
