package identity_test

import (
	"errors"
	"fmt"

	"shirase/identity"
)

func ExampleParseEmail() {
	for _, s := range []string{"Ｕｓｅｒ１＠例え.テスト", "a..b@docomo.ne.jp", "user1@gmail"} {
		id, err := identity.ParseEmail(s)
		if e := (*identity.Error)(nil); errors.As(err, &e) {
			fmt.Println(e.Reason)
			continue
		}
		fmt.Println(id.Value)
	}
	// Output:
	// user1@xn--r8jz45g.xn--zckzah
	// a..b@docomo.ne.jp
	// domain-no-dot
}

func ExampleVariants() {
	id, _ := identity.ParseEmail("first.last+news@gmail.com")
	for _, v := range identity.Variants(id)[:3] {
		fmt.Println(v.Value)
	}
	// Output:
	// first.last@gmail.com
	// firstlast+news@gmail.com
	// firstlast@gmail.com
}
