package site

import (
	"net/http"
)

// problemWord explains a problem type of the API (RFC 9457, 3.1.1: a type should lead to its documentation).
type problemWord struct {
	status                     int
	ja, en, remedyJA, remedyEN string
}

// problemWords are the codes that doors answer with, as in /problems/{code}; a test reads them from the sources.
var problemWords = map[string]problemWord{
	"too-large": {http.StatusRequestEntityTooLarge, "送られた内容が大きすぎます。", "The request body is too large.",
		"小さく分けて送ってください。上限は、それぞれの API の説明にあります。", "Send it in smaller parts. Each API's description gives its limit."},
	"too-many": {http.StatusTooManyRequests, "一度に、または短い間に、求めた数が多すぎます。", "Too much was asked for at once, or in a short time.",
		"Retry-After が示す秒数を待ってください。1回に送る数の上限も確かめてください。", "Wait for as many seconds as Retry-After says, and mind the limit of one request."},
	"no-evaluator-key": {http.StatusServiceUnavailable, "確認の答えを計算するための鍵が、このサーバーにないか、読み取れません。「対象に含まれない」という答えではありません。", "The key that checks are answered with is missing from this server, or cannot be read. This is not a “not affected”.",
		"運営者が鍵を戻すと、答えられるようになります。サーバーを起動したときの記録に、何が足りないかがあります。", "The operator puts the key back. What the server logged when it started says what is missing."},
	"unwitnessed": {http.StatusServiceUnavailable, "公開台帳に、立会人の署名が長いあいだそろっていません。「対象に含まれない」という答えではありません。", "No quorum of witnesses has cosigned the public ledger for too long. This is not a “not affected”.",
		"立会人の署名がそろうと、答えられるようになります。運営者は shirase ledger witnesses で、誰の署名が足りないかを確かめられます。", "Checks are answered again once enough witnesses have signed. The operator sees who has not with shirase ledger witnesses."},
	"plain-http": {http.StatusForbidden, "このサーバーへは、https でだけ送れます。送られた内容は読んでいません。", "This server is reached over https only. What was sent was not read.",
		"アドレスを https:// に変えて、もう一度送ってください。", "Send it again, to the address with https://."},
	"unavailable": {http.StatusServiceUnavailable, "索引を、いまは配れません。「対象に含まれない」という答えではありません。", "The index cannot be served at the moment. This is not a “not affected”.",
		"Retry-After が示す秒数を待って、もう一度お試しください。運営者は shirase doctor で原因を確かめられます。", "Wait for as many seconds as Retry-After says, and try again. The operator finds the reason with shirase doctor."},
	"database-away": {http.StatusServiceUnavailable, "データベースに、いまはつながりません。「対象に含まれない」という答えではありません。", "The database cannot be reached at the moment. This is not a “not affected”.",
		"Retry-After が示す秒数を待って、もう一度お試しください。つながりしだい、そのまま使えるようになります。", "Wait for as many seconds as Retry-After says, and try again. It works as before as soon as the database answers."},
	"unconfirmed": {http.StatusForbidden, "この操作には、パスキーによる確認が、その操作のために改めて必要です。", "Your passkey has to confirm this very act.",
		"画面の案内に従って、もう一度パスキーで確かめてください。確認は、その操作一度きりに有効です。", "Confirm it with your passkey when the page asks. It holds for that act alone."},
	"on-wall": {http.StatusForbidden, "壁の画面のためのサインインなので、ボードのほかは開けません。", "The sign-in is that of a screen on a wall, which shows the board alone.",
		"サインアウトして、パスキーでサインインし直してください。", "Sign out, and sign in again with a passkey."},
	"cross-origin": {http.StatusForbidden, "別のサイトから送られた操作のため、受け付けませんでした。", "It was sent from another site, and was not done.",
		"担当者の画面を開き直し、そこから操作してください。", "Open the staff's pages themselves, and do it from there."},
	"address": {http.StatusMisdirectedRequest, "担当者の画面は、決められたアドレスでだけ開けます。パスキーは、ほかのアドレスでは使えません。", "The staff's pages open at their own address only: passkeys are good nowhere else.",
		"shirase config show が示す url のアドレスで開いてください。", "Open them at the address that shirase config show gives as url."},
	"gate-away": {http.StatusServiceUnavailable, "関門は、いま何が閉じているかも、誰に答えてよいかも、まだ知りません。「通してよい」という答えではありません。", "The gate does not know yet what is in force, nor whom it answers. This is not a “let it pass”.",
		"Retry-After が示す秒数を待って、もう一度尋ねてください。通すか止めるかは、プロキシの側の設定で決まります。", "Ask again after as many seconds as Retry-After says. Until then the proxy's own setting decides what passes."},
	"gate-token": {http.StatusUnauthorized, "関門は、そのトークンを持つ相手にだけ答えます。", "The gate answers whoever brings one of its tokens, and nobody else.",
		"shirase gate token でトークンを作り、プロキシの設定に入れてください。作り方は docs/GATE.md にあります。", "Make a token with shirase gate token and set it in the proxy, as docs/GATE.md shows."},
	"gate-request": {http.StatusForbidden, "元の要求か利用者が、トークンの種類が求める形で伝えられていないか、二度伝えられています。", "What the request was for, or who asks, was not said in the form that the token is for, or was said twice.",
		"docs/GATE.md の、お使いのプロキシの設定例に合わせてください。", "Set the proxy up as docs/GATE.md has it for its kind."},
	"gate-question": {http.StatusBadRequest, "判定の問い合わせが、決められた形ではありません。", "The question is not of the form that is asked for.",
		"account、email、route のうち少なくとも一つを、それぞれ1,000バイトまでの JSON で送ってください。", "Send JSON with at least one of account, email and route, of at most 1,000 bytes each."},
	"link": {http.StatusNotFound, "このリンクは、使えないか、もう使えません。", "This link is not valid, or not any more.",
		"メールのリンクが途中で切れていないか確かめてください。期限が過ぎたときは、もう一度お申し込みください。", "See whether the link of the mail is all there. If it was too old, please start again."},
	"no-list": {http.StatusNotFound, "サービスの一覧が、まだないか、その版はもう配っていません。", "There is no list of services yet, or this one is not given out any more.",
		"/services/v1/head から、いまの一覧を受け取ってください。", "Get the newest one by /services/v1/head."},
	"busy": {http.StatusTooManyRequests, "同じ回線からの要求が、限度を超えています。", "There are more requests from one network than are answered.",
		"Retry-After が示す秒数を待って、もう一度送ってください。", "Wait for as many seconds as Retry-After says, and ask again."},
	"bad-json": {http.StatusBadRequest, "送られた JSON が、決められた形ではありません。", "The JSON is not of the form that is asked for.",
		"docs/PASSWORDS.md の形に合わせてください。知らない項目は受け付けません。", "Follow docs/PASSWORDS.md. Unknown members are refused."},
	"not-json": {http.StatusUnsupportedMediaType, "内容の種類が application/json ではありません。", "The body is not application/json.",
		"Content-Type に application/json を指定してください。", "Set Content-Type to application/json."},
	"bad-prefixes": {http.StatusBadRequest, "接頭辞の数か形が、正しくありません。", "The number or the form of the prefixes is wrong.",
		"16進数5桁の接頭辞を、1回に1件から16件まで送ってください。", "Send 1 to 16 prefixes a request, of 5 hex digits each."},
	"bad-n": {http.StatusBadRequest, "件数の指定が正しくありません。", "The number n is not valid.",
		"1から1,000までの整数にしてください。", "Use a whole number from 1 to 1,000."},
	"bad-hash": {http.StatusBadRequest, "ハッシュ値の形が正しくありません。", "The hash is not valid.",
		"SHA-1 なら16進数40桁、NTLM なら32桁にしてください。", "Use 40 hex digits (SHA-1) or 32 (NTLM)."},
	"bad-mode": {http.StatusBadRequest, "mode の値が正しくありません。", "The mode is not valid.",
		"sha1 か ntlm にしてください。", "Use sha1 or ntlm."},
	"query": {http.StatusBadRequest, "検索の条件に、知らない名前か値があります。", "The search has a name or a value that is not known.",
		"使える名前は /api/v1/openapi.json に、値は /api/v1/vocabulary にあります。cursor は、前のページの next をそのまま使ってください。", "The names are in /api/v1/openapi.json, the values in /api/v1/vocabulary. Take a cursor as the page before gave it."},
	"no-corpus": {http.StatusServiceUnavailable, "ここには、漏えいしたパスワードの一覧がまだありません。「見つからなかった」という答えではありません。", "There is no corpus of leaked passwords here yet. This is not a “not found”.",
		"運営者が shirase password import か sync で用意すると、答えられるようになります。", "The operator fills it with shirase password import or sync."},
	"incomplete-corpus": {http.StatusServiceUnavailable, "漏えいしたパスワードの一覧に、まだ受け取れていない部分があります。「見つからなかった」という答えではありません。", "Part of the corpus of leaked passwords has not arrived. This is not a “not found”.",
		"運営者が shirase password sync をもう一度実行すると、残りを受け取ります。", "The operator runs shirase password sync again, which fetches what is missing."},
	"damaged-corpus": {http.StatusServiceUnavailable, "漏えいしたパスワードの一覧が壊れていて、答えられません。「見つからなかった」という答えではありません。", "The corpus of leaked passwords is damaged, and cannot answer. This is not a “not found”.",
		"運営者が shirase password verify で壊れた部分を調べ、バックアップから戻すか、作り直してください。", "The operator finds the damage with shirase password verify, and restores it from a backup or fills it anew."},
	"newer-corpus": {http.StatusServiceUnavailable, "漏えいしたパスワードの一覧が、このプログラムより新しい版のもので、読み取れません。", "The corpus of leaked passwords was written by a newer version than this program reads.",
		"運営者が、書き込んだのと同じか、より新しい shirase で動かしてください。", "The operator runs the shirase that wrote it, or a newer one."},
	"no-filter": {http.StatusNotFound, "ここでは、フィルターがまだ作られていません。", "No filter has been built here.",
		"運営者が shirase password filter で作ると、取り寄せられるようになります。", "The operator builds one with shirase password filter."},
}

// problemPage explains a code of problem details.
func (s *Site) problemPage(w http.ResponseWriter, r *http.Request) error {
	code := r.PathValue("code")
	word, ok := problemWords[code]
	if !ok {
		return errNotHere
	}
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Pick("エラーの説明："+code, "Problem: "+code)
	p.Description = p.Lang.Pick(word.ja, word.en)
	p.Body = struct {
		Code, What, Remedy string
		Status             int
		StatusText         string
	}{code, p.Lang.Pick(word.ja, word.en), p.Lang.Pick(word.remedyJA, word.remedyEN), word.status, http.StatusText(word.status)}
	return s.frame.Show(w, r, http.StatusOK, "problem", p)
}
