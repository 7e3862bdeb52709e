package incident

import (
	"strings"

	"shirase/internal/language"
)

// regions are parts of countries by which counts are given (affected.part): the states of the USA, whose attorneys general
// count their own residents, and the prefectures of Japan (ISO 3166-2).
var regions = []label{
	{"US-AL", language.Both("アラバマ州", "Alabama")},
	{"US-AK", language.Both("アラスカ州", "Alaska")},
	{"US-AZ", language.Both("アリゾナ州", "Arizona")},
	{"US-AR", language.Both("アーカンソー州", "Arkansas")},
	{"US-CA", language.Both("カリフォルニア州", "California")},
	{"US-CO", language.Both("コロラド州", "Colorado")},
	{"US-CT", language.Both("コネチカット州", "Connecticut")},
	{"US-DE", language.Both("デラウェア州", "Delaware")},
	{"US-DC", language.Both("コロンビア特別区", "District of Columbia")},
	{"US-FL", language.Both("フロリダ州", "Florida")},
	{"US-GA", language.Both("ジョージア州", "Georgia, USA")},
	{"US-HI", language.Both("ハワイ州", "Hawaii")},
	{"US-ID", language.Both("アイダホ州", "Idaho")},
	{"US-IL", language.Both("イリノイ州", "Illinois")},
	{"US-IN", language.Both("インディアナ州", "Indiana")},
	{"US-IA", language.Both("アイオワ州", "Iowa")},
	{"US-KS", language.Both("カンザス州", "Kansas")},
	{"US-KY", language.Both("ケンタッキー州", "Kentucky")},
	{"US-LA", language.Both("ルイジアナ州", "Louisiana")},
	{"US-ME", language.Both("メイン州", "Maine")},
	{"US-MD", language.Both("メリーランド州", "Maryland")},
	{"US-MA", language.Both("マサチューセッツ州", "Massachusetts")},
	{"US-MI", language.Both("ミシガン州", "Michigan")},
	{"US-MN", language.Both("ミネソタ州", "Minnesota")},
	{"US-MS", language.Both("ミシシッピ州", "Mississippi")},
	{"US-MO", language.Both("ミズーリ州", "Missouri")},
	{"US-MT", language.Both("モンタナ州", "Montana")},
	{"US-NE", language.Both("ネブラスカ州", "Nebraska")},
	{"US-NV", language.Both("ネバダ州", "Nevada")},
	{"US-NH", language.Both("ニューハンプシャー州", "New Hampshire")},
	{"US-NJ", language.Both("ニュージャージー州", "New Jersey")},
	{"US-NM", language.Both("ニューメキシコ州", "New Mexico")},
	{"US-NY", language.Both("ニューヨーク州", "New York State")},
	{"US-NC", language.Both("ノースカロライナ州", "North Carolina")},
	{"US-ND", language.Both("ノースダコタ州", "North Dakota")},
	{"US-OH", language.Both("オハイオ州", "Ohio")},
	{"US-OK", language.Both("オクラホマ州", "Oklahoma")},
	{"US-OR", language.Both("オレゴン州", "Oregon")},
	{"US-PA", language.Both("ペンシルベニア州", "Pennsylvania")},
	{"US-RI", language.Both("ロードアイランド州", "Rhode Island")},
	{"US-SC", language.Both("サウスカロライナ州", "South Carolina")},
	{"US-SD", language.Both("サウスダコタ州", "South Dakota")},
	{"US-TN", language.Both("テネシー州", "Tennessee")},
	{"US-TX", language.Both("テキサス州", "Texas")},
	{"US-UT", language.Both("ユタ州", "Utah")},
	{"US-VT", language.Both("バーモント州", "Vermont")},
	{"US-VA", language.Both("バージニア州", "Virginia")},
	{"US-WA", language.Both("ワシントン州", "Washington State")},
	{"US-WV", language.Both("ウェストバージニア州", "West Virginia")},
	{"US-WI", language.Both("ウィスコンシン州", "Wisconsin")},
	{"US-WY", language.Both("ワイオミング州", "Wyoming")},
	{"JP-01", language.Both("北海道", "Hokkaido")},
	{"JP-02", language.Both("青森県", "Aomori")},
	{"JP-03", language.Both("岩手県", "Iwate")},
	{"JP-04", language.Both("宮城県", "Miyagi")},
	{"JP-05", language.Both("秋田県", "Akita")},
	{"JP-06", language.Both("山形県", "Yamagata")},
	{"JP-07", language.Both("福島県", "Fukushima")},
	{"JP-08", language.Both("茨城県", "Ibaraki")},
	{"JP-09", language.Both("栃木県", "Tochigi")},
	{"JP-10", language.Both("群馬県", "Gunma")},
	{"JP-11", language.Both("埼玉県", "Saitama")},
	{"JP-12", language.Both("千葉県", "Chiba")},
	{"JP-13", language.Both("東京都", "Tokyo")},
	{"JP-14", language.Both("神奈川県", "Kanagawa")},
	{"JP-15", language.Both("新潟県", "Niigata")},
	{"JP-16", language.Both("富山県", "Toyama")},
	{"JP-17", language.Both("石川県", "Ishikawa")},
	{"JP-18", language.Both("福井県", "Fukui")},
	{"JP-19", language.Both("山梨県", "Yamanashi")},
	{"JP-20", language.Both("長野県", "Nagano")},
	{"JP-21", language.Both("岐阜県", "Gifu")},
	{"JP-22", language.Both("静岡県", "Shizuoka")},
	{"JP-23", language.Both("愛知県", "Aichi")},
	{"JP-24", language.Both("三重県", "Mie")},
	{"JP-25", language.Both("滋賀県", "Shiga")},
	{"JP-26", language.Both("京都府", "Kyoto")},
	{"JP-27", language.Both("大阪府", "Osaka")},
	{"JP-28", language.Both("兵庫県", "Hyogo")},
	{"JP-29", language.Both("奈良県", "Nara")},
	{"JP-30", language.Both("和歌山県", "Wakayama")},
	{"JP-31", language.Both("鳥取県", "Tottori")},
	{"JP-32", language.Both("島根県", "Shimane")},
	{"JP-33", language.Both("岡山県", "Okayama")},
	{"JP-34", language.Both("広島県", "Hiroshima")},
	{"JP-35", language.Both("山口県", "Yamaguchi")},
	{"JP-36", language.Both("徳島県", "Tokushima")},
	{"JP-37", language.Both("香川県", "Kagawa")},
	{"JP-38", language.Both("愛媛県", "Ehime")},
	{"JP-39", language.Both("高知県", "Kochi")},
	{"JP-40", language.Both("福岡県", "Fukuoka")},
	{"JP-41", language.Both("佐賀県", "Saga")},
	{"JP-42", language.Both("長崎県", "Nagasaki")},
	{"JP-43", language.Both("熊本県", "Kumamoto")},
	{"JP-44", language.Both("大分県", "Oita")},
	{"JP-45", language.Both("宮崎県", "Miyazaki")},
	{"JP-46", language.Both("鹿児島県", "Kagoshima")},
	{"JP-47", language.Both("沖縄県", "Okinawa")},
}

// RegionLabel returns what people call a region of ISO 3166-1 or 3166-2; of one that is not named here, its country with the
// code.
func RegionLabel(lang language.Lang, code string) string {
	for _, r := range regions {
		if r.word == code {
			return r.label.In(lang)
		}
	}
	if country, part, found := strings.Cut(code, "-"); found {
		return CountryLabel(lang, country) + lang.Pick("（", " (") + part + lang.Pick("）", ")")
	}
	return CountryLabel(lang, code)
}
