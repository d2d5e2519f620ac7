package kubetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
)

const jsonType, protobufType = "application/json", "application/vnd.kubernetes.protobuf"

// bodyLimit is the API server's.
const bodyLimit = 3 << 20

// read decodes the body into an object of k8s.io/api: as JSON, or as protobuf, which typed clients send unless their
// ContentType says otherwise. empty is whether there was none.
func (c *call) read(into any) (empty bool, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Body, bodyLimit))
	if err != nil {
		return false, apierrors.NewBadRequest(err.Error())
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return true, nil
	}
	how, _, _ := strings.Cut(c.Header.Get("Content-Type"), ";")
	switch how {
	case "", jsonType:
		err = json.Unmarshal(body, into)
	case protobufType:
		err = decodeProtobuf(body, into)
	default:
		return false, unsupported(how, jsonType+", "+protobufType)
	}
	if err != nil {
		return false, apierrors.NewBadRequest("the object provided is unrecognized: " + err.Error())
	}
	return false, nil
}

// decodeProtobuf opens the envelope that Kubernetes puts around protobuf: four bytes, then a runtime.Unknown.
func decodeProtobuf(body []byte, into any) error {
	inner, ok := bytes.CutPrefix(body, []byte("k8s\x00"))
	if !ok {
		return errors.New("protobuf without its prefix")
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(inner); err != nil {
		return err
	}
	target, ok := into.(interface{ Unmarshal([]byte) error })
	if !ok {
		return errors.New("the type has no protobuf")
	}
	return target.Unmarshal(envelope.Raw)
}
