package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// webhook is an address that takes JSON: {"title": …, "message": …, "event": …}.
type webhook struct {
	url     string
	headers http.Header
}

// webhookOf reads generic://HOST/PATH, generic+https://…, generic+http://… and a plain https:// or http:// URL. As with
// shoutrrr's generic service, disabletls=yes makes it http, and @Name=value is a header; all other keys of the query go along.
func webhookOf(u *url.URL) (webhook, bool) {
	target := *u
	switch u.Scheme {
	case "generic", "generic+https", "https":
		target.Scheme = "https"
	case "generic+http", "http":
		target.Scheme = "http"
	default:
		return webhook{}, false
	}
	hook := webhook{headers: http.Header{}}
	query := target.Query()
	if query.Get("disabletls") == "yes" {
		target.Scheme = "http"
	}
	query.Del("disabletls")
	for key, values := range query {
		if name, ok := strings.CutPrefix(key, "@"); ok {
			hook.headers[http.CanonicalHeaderKey(name)] = values
			query.Del(key)
		}
	}
	target.RawQuery = query.Encode()
	hook.url = target.String()
	return hook, true
}

func (h webhook) post(ctx context.Context, dial Dialler, m Message) error {
	body, err := json.Marshal(map[string]string{"title": m.Title, "message": m.Text, "event": m.Event})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL can't be asked")
	}
	req.Header = h.headers
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %s", res.Status)
	}
	return nil
}
