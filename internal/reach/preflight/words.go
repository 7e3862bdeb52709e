package preflight

import (
	"fmt"
	"strconv"
	"strings"

	"shirase/internal/language"
)

// words are what a finding says, and what to do about it. {1}, {2} and so on are what was seen.
type words struct{ what, remedy language.Text }

func say(ja, en string) language.Text { return language.Both(ja, en) }

// texts are all that a preflight can find, by code.
var texts = map[string]words{
	"from-none": {say("差出人のアドレスが決まっていません", "no address is set that mail comes from"),
		say("差出人のアドレスを決めてください: shirase config set mail.from notice@example.org", "say which address mail comes from: shirase config set mail.from notice@example.org")},
	"exercise": {what: say("訓練のため、名前サーバーもメールサーバーも問い合わせていません。点検は本番のデータフォルダでします",
		"this is an exercise: neither name servers nor mail servers were asked; that is looked at in a data folder that is no exercise's")},
	"unasked": {say("{1}を問い合わせましたが、答えがありません: {2}", "{1} could not be asked for: {2}"),
		say("名前サーバーが答えることを確かめて、もう一度点検してください", "see that the name server answers, and look again")},

	"relay-none": {say("メールを送り出すサーバーが決まっていません", "no relay is set by which mail leaves"),
		say("shirase config set campaign.relays mail.example.org:587", "shirase config set campaign.relays mail.example.org:587")},
	"relay-form": {say("送信サーバーの指定 {1} が、ホスト名とポートの形ではありません", "the relay, {1}, is not a host and a port"),
		say("shirase config set campaign.relays mail.example.org:587", "shirase config set campaign.relays mail.example.org:587")},
	"relay-address": {say("送信サーバー {1} のIPアドレスが見つかりません", "the relay, {1}, has no address"),
		say("送信サーバーの名前を直してください", "correct the relay's name")},
	"relay-away": {say("送信サーバー {1} が応答しません: {2}", "the relay does not answer at {1}: {2}"),
		say("送信サーバーが動いていて、このサーバーから接続できることを確かめてください", "see that the relay runs, and that this machine may connect to it")},
	"relay-other": {say("{1} で応答したのは、メールサーバーではないか、こちらを受け入れません: {2}", "what answers at {1} is no mail server, or does not take us: {2}"),
		say("送信サーバーが動いていて、このサーバーから接続できることを確かめてください", "see that the relay runs, and that this machine may connect to it")},
	"relay-slow": {say("送信サーバー {1} はコマンドを1つずつしか受け付けません。配信に時間がかかります", "the relay at {1} takes one command at a time: a campaign takes longer"),
		say("そのままでも送れます。速くしたいときは、ほかの送信サーバーを使ってください", "none is needed; another relay would be faster")},
	"relay-local": {say("送信サーバーは、このサーバーの中で暗号化せずに応答します", "the relay answers on this machine, unencrypted"), language.Text{}},
	"relay-plain": {say("送信サーバー {1} はTLSに対応していません。渡すメールが途中で読まれるおそれがあります", "the relay at {1} offers no TLS: what is sent to it can be read on the way"),
		say("送信サーバーで、その名前の証明書を使ってSTARTTLSを有効にしてください", "have the relay offer STARTTLS, with a certificate for its name")},
	"relay-ends":  {say("送信サーバー {1} の証明書の期限は {2} です", "the certificate of the relay at {1} ends at {2}"), say("証明書を更新してください", "renew it")},
	"relay-well":  {say("送信サーバー {1} は、その名前の証明書を使ってTLSで応答します", "the relay at {1} answers by TLS, with a certificate for its name"), language.Text{}},
	"relay-name":  {say("送信サーバー {1} の証明書は、{2} のものではありません", "the certificate of the relay at {1} is not for {2}"), trusted},
	"relay-trust": {say("送信サーバー {1} を信頼できません: {2}", "the relay at {1} cannot be trusted: {2}"), trusted},

	"sending-unknown": {say("送信サーバーが内部のネットワークにあり、メールがどのIPアドレスから外へ出るのか分かりません", "it is not known from which addresses mail reaches the world: the relay is on a network of its own"), sending},
	"sending-relay":   {say("メールは送信サーバー自身のIPアドレスから外へ出るものとして点検します: {1}", "mail is taken to reach the world from the relay's own addresses: {1}"), sending},

	"spf-none": {say("{1} にSPFレコードがありません。受信側は、{2} がこのドメインのメールを送ってよいのか分かりません", "{1} has no SPF record: receivers cannot know that {2} sends for it"), addSPF},
	"spf-broken": {say("{1} のSPFレコードを読めません: {4}", "the SPF record of {1} cannot be read: {4}"),
		say("{1} のTXTレコードを直してください", "correct the TXT record of {1}")},
	"spf-fails": {say("メールが外へ出る {2} について、{1} のSPFの結果は {4} です", "SPF of {1} gives {4} for {2}, from which mail reaches the world"), addSPF},
	"spf-well":  {say("{1} のSPFは、{2} を認めています", "SPF of {1} passes for {2}"), language.Text{}},

	"dkim-nobody": {say("DKIMの鍵が見つかりません。署名のないメールは、大手の受信側に拒否されるか、迷惑メールにされます", "no DKIM key is known of: mail without a signature is refused or hidden by large receivers"),
		say("鍵を作ってください: shirase campaign keys。送信サーバーが署名する場合は、そのセレクターを指定してください: shirase config set mail.dkim セレクター", "make the keys: shirase campaign keys; where the relay signs, name its key: shirase config set mail.dkim SELECTOR")},
	"dkim-missing": {say("DKIMの鍵が公開されていません。TXTレコード {1} がありません", "the DKIM key is not published: there is no TXT record {1}"), publish},
	"dkim-empty":   {say("TXTレコード {1} に鍵がありません", "the TXT record {1} holds no key"), publish},
	"dkim-revoked": {say("TXTレコード {1} の鍵は取り消されています", "the key in the TXT record {1} is revoked"), publish},
	"dkim-broken":  {say("TXTレコード {1} の鍵を読めません", "the key in the TXT record {1} cannot be read"), publish},
	"dkim-other":   {say("TXTレコード {1} の鍵は、署名に使う鍵と違います", "the TXT record {1} holds another key than the one that mail is signed with"), publish},
	"dkim-short": {say("TXTレコード {1} の鍵は{3}ビットです。受信側は{4}ビットを求めます", "the key in the TXT record {1} has {3} bits, and receivers want {4}"),
		say("別のセレクターで、2048ビットの鍵を作り直してください", "make a new key of 2048 bits under another selector")},
	"dkim-tried": {say("TXTレコード {1} は、署名を試験中としています。受信側は署名がないものとして扱います", "the TXT record {1} says that signing is being tried: receivers go on as if there was no signature"),
		say("TXTレコード {1} から t=y を取り除いてください", "take t=y out of the TXT record {1}")},
	"dkim-well": {say("TXTレコード {1} に、署名に使う鍵があります", "the TXT record {1} holds the key that mail is signed with"), language.Text{}},

	"dmarc-none":    {say("{1} にDMARCレコードがありません。大手の受信側は、何千通も送る送信者にこれを求めます", "{1} has no DMARC record: large receivers want one of whoever sends thousands of mails"), addDMARC},
	"dmarc-many":    {say("_dmarc.{2} にDMARCレコードが{3}件あります。1件でなければなりません", "there are {3} DMARC records at _dmarc.{2}, and there has to be one"), addDMARC},
	"dmarc-nothing": {say("SPFもDKIMも {1} と一致しません。DMARCレコード（p={2}）により、受信側は偽のメールとみなします", "neither SPF nor DKIM stands for {1}: by its DMARC record (p={2}) receivers take the mail for a fake"), align},
	"dmarc-spf":     {say("{1} と一致するのはSPFだけです。転送されたメールは偽とみなされます", "only SPF stands for {1}: mail that is passed on is taken for a fake"), align},
	"dmarc-dkim":    {say("{1} と一致するのはDKIMだけです。戻り先が別のドメインか、SPFが通っていません", "only DKIM stands for {1}: where mail comes back to is of another domain, or SPF does not pass"), align},
	"dmarc-well":    {say("SPFもDKIMも {1} と一致し、DMARCレコードは p={2} です", "SPF and DKIM both stand for {1}, whose DMARC record says p={2}"), language.Text{}},

	"ptr-none":  {say("{1} に名前（PTR）がありません。大手の受信側は、ここからのメールを拒否します", "{1} has no name (PTR): large receivers refuse mail from it"), addPTR},
	"ptr-other": {say("{1} の名前は {2} ですが、その名前からは {1} に戻れません", "{1} is called {2}, which does not lead back to it"), addPTR},
	"ptr-well":  {say("どのIPアドレスにも名前があり、その名前から元に戻れます", "every address has a name that leads back to it"), language.Text{}},

	"return-none":    {say("メールが戻ってこられません。{1} にMXレコードがありません", "nothing can come back: {1} has no MX record"), addMX},
	"return-refuses": {say("メールが戻ってこられません。{1} は、メールを受け取らないと宣言しています", "nothing can come back: {1} says that it takes no mail"), addMX},
	"return-nowhere": {say("メールが戻ってこられません。{1} のMXレコードにあるサーバーは、どれもIPアドレスがありません", "nothing can come back: no server that the MX record of {1} names has an address"), addMX},
	"return-well":    {say("{1} に戻るメールは、{3} に届きます", "what comes back to {1} goes to {3}"), language.Text{}},

	"seed-unread": {say("メールが戻ってきたかどうかを読めません: {1}", "whether a mail came back could not be read: {1}"), again},
	"seed-never":  {say("戻ってくるはずのメールを、まだ一度も送っていません。不達の知らせが届くかどうか分かりません", "no mail was sent to come back: whether bounces arrive was never tried"), again},
	"seed-out": {say("{1} に送った、戻ってくるはずのメールが、まだ戻っていません", "the mail that was sent to come back at {1} has not"),
		say("送信サーバーの記録と、戻ったメールがshiraseに渡されているかを確かめてください", "see the relay's log for it, and that the mail system hands what comes back to shirase")},
	"seed-old":  {say("メールが最後に戻ってきたのは{1}日前です", "the mail that was sent to come back last did so {1} days ago"), again},
	"seed-well": {say("送ったメールが {1} に戻ってきました", "a mail that was sent to come back did, at {1}"), language.Text{}},

	"seed-unverified": {say("戻ってきたメールの署名は、まだ確かめていません", "the signature of the mail that came back was not verified yet"), again},
	"seed-unasked":    {say("戻ってきたメールの署名（d={1} s={2}）を確かめられませんでした。鍵の問い合わせに答えがありません", "the signature of the mail that came back (d={1} s={2}) could not be verified: nobody answered for its key"), again},
	"seed-other": {say("戻ってきたメールの差出人は {1} で、配信の差出人 {2} とドメインが違います。配信の署名は試されていません", "the mail that came back was from {1}, and campaigns are from {2}: what signs those was not tried"),
		say("配信と同じ差出人で送ってください: shirase campaign test 配信 --to 戻り先", "send one as the campaign does: shirase campaign test CAMPAIGN --to the address that shirase bounces seed gives")},
	"seed-unsigned": {say("戻ってきたメールに、DKIMの署名がありません", "the mail that came back has no DKIM signature"),
		say("shirase campaign keys で鍵を作るか、送信サーバーに署名させてください。署名を消す中継がないかも確かめてください", "make the keys (shirase campaign keys) or have the relay sign, and see that nothing on the way takes the signature off")},
	"seed-broken": {say("戻ってきたメールの署名（d={1} s={2} {3}）が成り立ちません: {4}", "the signature of the mail that came back (d={1} s={2} {3}) does not hold: {4}"),
		say("DNSの鍵が署名した鍵と同じか、途中の中継が本文や見出しを書き換えていないかを確かめて、もう一度送ってください", "see that the key in DNS is the one that signs, and that nothing on the way rewrites headers or text; then send another")},
	"seed-unaligned": {say("戻ってきたメールの署名は {1} のもので、差出人のドメイン {2} と一致しません", "what is signed in the mail that came back is {1}'s, and does not stand for {2} in From"),
		say("差出人と同じドメインの鍵で署名してください", "sign with a key of the domain in From")},
	"seed-ed25519": {say("戻ってきたメールで成り立つ署名は、Ed25519のものだけです。GmailやOutlookは、これだけでは署名とみなしません", "only an Ed25519 signature holds in the mail that came back: Gmail and Outlook pass over it"),
		say("RSA 2048ビットの鍵も作って公開してください: shirase campaign keys", "make and publish an RSA key of 2048 bits beside it: shirase campaign keys")},
	"seed-signed": {say("戻ってきたメールの署名は成り立ち、{1} と一致します: {2}", "the mail that came back is signed, and its signature holds and stands for {1}: {2}"), language.Text{}},
}

// Remedies of several findings.
var (
	trusted = say("送信サーバーで、その名前の証明書を、中間証明書も含め、このサーバーが信頼する認証局のもので使ってください", "have the relay use a certificate for its name, with its whole chain, by an authority that this machine trusts")
	sending = say("送信サーバーが外へ送るときのIPアドレスを指定してください: shirase config set mail.sending 192.0.2.1", "say from which addresses the relay sends into the world: shirase config set mail.sending 192.0.2.1")
	addSPF  = say("{1} のTXTレコードに加えてください: v=spf1 {3} -all。または、送信サーバーの事業者が示す include: を書いてください", "add it to the TXT record of {1}: v=spf1 {3} -all, or include: what your relay's operator names")
	publish = say("公開してください: {2}", "publish it: {2}")
	align   = say("差出人のドメインの鍵で署名し、戻り先を、そのドメインか、その下のドメインにしてください", "sign with a key of the domain in From, and let mail come back to that domain or one below it")
	addPTR  = say("IPアドレスの貸し主に、PTRレコードを、AまたはAAAAレコードがこのアドレスである名前にするよう頼んでください", "ask whoever the address is rented from to set its PTR record to a name whose A or AAAA record is the address")
	addMX   = say("受け取るサーバーを公開してください: {1}. MX 10 mail.{2}.", "publish where it is taken in: {1}. MX 10 mail.{2}.")
	again   = say("shirase bounces seed のアドレスに、送信サーバーからメールを1通送り、戻ってきたものを取り込んでください", "shirase bounces seed, send a mail to the address it gives by the relay, and take in what comes back")

	addDMARC = say(`公開してください: _dmarc.{1}. TXT "v=DMARC1; p=none; rua=mailto:dmarc@{1}"。報告に問題がなくなったら、厳しくしてください`,
		`publish one: _dmarc.{1}. TXT "v=DMARC1; p=none; rua=mailto:dmarc@{1}", and tighten it when reports are clean`)
)

// filled puts what was seen where a text has a place for it.
func filled(t language.Text, args []any) language.Text {
	pairs := make([]string, 0, 2*len(args))
	ja := make([]string, 0, 2*len(args))
	for i, a := range args {
		mark := "{" + strconv.Itoa(i+1) + "}"
		one, ok := a.(language.Text)
		if !ok {
			one = language.Same(fmt.Sprint(a))
		}
		pairs, ja = append(pairs, mark, one.EN), append(ja, mark, one.JA)
	}
	return language.Both(strings.NewReplacer(ja...).Replace(t.JA), strings.NewReplacer(pairs...).Replace(t.EN))
}
