package incident

import (
	"strings"

	"shirase/internal/web"
)

// regions are parts of countries by which counts are given (affected.part): the states of the USA, whose attorneys general
// count their own residents, and the prefectures of Japan (ISO 3166-2).
var regions = []label{
	{"US-AL", Text{"アラバマ州", "Alabama"}},
	{"US-AK", Text{"アラスカ州", "Alaska"}},
	{"US-AZ", Text{"アリゾナ州", "Arizona"}},
	{"US-AR", Text{"アーカンソー州", "Arkansas"}},
	{"US-CA", Text{"カリフォルニア州", "California"}},
	{"US-CO", Text{"コロラド州", "Colorado"}},
	{"US-CT", Text{"コネチカット州", "Connecticut"}},
	{"US-DE", Text{"デラウェア州", "Delaware"}},
	{"US-DC", Text{"コロンビア特別区", "District of Columbia"}},
	{"US-FL", Text{"フロリダ州", "Florida"}},
	{"US-GA", Text{"ジョージア州", "Georgia, USA"}},
	{"US-HI", Text{"ハワイ州", "Hawaii"}},
	{"US-ID", Text{"アイダホ州", "Idaho"}},
	{"US-IL", Text{"イリノイ州", "Illinois"}},
	{"US-IN", Text{"インディアナ州", "Indiana"}},
	{"US-IA", Text{"アイオワ州", "Iowa"}},
	{"US-KS", Text{"カンザス州", "Kansas"}},
	{"US-KY", Text{"ケンタッキー州", "Kentucky"}},
	{"US-LA", Text{"ルイジアナ州", "Louisiana"}},
	{"US-ME", Text{"メイン州", "Maine"}},
	{"US-MD", Text{"メリーランド州", "Maryland"}},
	{"US-MA", Text{"マサチューセッツ州", "Massachusetts"}},
	{"US-MI", Text{"ミシガン州", "Michigan"}},
	{"US-MN", Text{"ミネソタ州", "Minnesota"}},
	{"US-MS", Text{"ミシシッピ州", "Mississippi"}},
	{"US-MO", Text{"ミズーリ州", "Missouri"}},
	{"US-MT", Text{"モンタナ州", "Montana"}},
	{"US-NE", Text{"ネブラスカ州", "Nebraska"}},
	{"US-NV", Text{"ネバダ州", "Nevada"}},
	{"US-NH", Text{"ニューハンプシャー州", "New Hampshire"}},
	{"US-NJ", Text{"ニュージャージー州", "New Jersey"}},
	{"US-NM", Text{"ニューメキシコ州", "New Mexico"}},
	{"US-NY", Text{"ニューヨーク州", "New York State"}},
	{"US-NC", Text{"ノースカロライナ州", "North Carolina"}},
	{"US-ND", Text{"ノースダコタ州", "North Dakota"}},
	{"US-OH", Text{"オハイオ州", "Ohio"}},
	{"US-OK", Text{"オクラホマ州", "Oklahoma"}},
	{"US-OR", Text{"オレゴン州", "Oregon"}},
	{"US-PA", Text{"ペンシルベニア州", "Pennsylvania"}},
	{"US-RI", Text{"ロードアイランド州", "Rhode Island"}},
	{"US-SC", Text{"サウスカロライナ州", "South Carolina"}},
	{"US-SD", Text{"サウスダコタ州", "South Dakota"}},
	{"US-TN", Text{"テネシー州", "Tennessee"}},
	{"US-TX", Text{"テキサス州", "Texas"}},
	{"US-UT", Text{"ユタ州", "Utah"}},
	{"US-VT", Text{"バーモント州", "Vermont"}},
	{"US-VA", Text{"バージニア州", "Virginia"}},
	{"US-WA", Text{"ワシントン州", "Washington State"}},
	{"US-WV", Text{"ウェストバージニア州", "West Virginia"}},
	{"US-WI", Text{"ウィスコンシン州", "Wisconsin"}},
	{"US-WY", Text{"ワイオミング州", "Wyoming"}},
	{"JP-01", Text{"北海道", "Hokkaido"}},
	{"JP-02", Text{"青森県", "Aomori"}},
	{"JP-03", Text{"岩手県", "Iwate"}},
	{"JP-04", Text{"宮城県", "Miyagi"}},
	{"JP-05", Text{"秋田県", "Akita"}},
	{"JP-06", Text{"山形県", "Yamagata"}},
	{"JP-07", Text{"福島県", "Fukushima"}},
	{"JP-08", Text{"茨城県", "Ibaraki"}},
	{"JP-09", Text{"栃木県", "Tochigi"}},
	{"JP-10", Text{"群馬県", "Gunma"}},
	{"JP-11", Text{"埼玉県", "Saitama"}},
	{"JP-12", Text{"千葉県", "Chiba"}},
	{"JP-13", Text{"東京都", "Tokyo"}},
	{"JP-14", Text{"神奈川県", "Kanagawa"}},
	{"JP-15", Text{"新潟県", "Niigata"}},
	{"JP-16", Text{"富山県", "Toyama"}},
	{"JP-17", Text{"石川県", "Ishikawa"}},
	{"JP-18", Text{"福井県", "Fukui"}},
	{"JP-19", Text{"山梨県", "Yamanashi"}},
	{"JP-20", Text{"長野県", "Nagano"}},
	{"JP-21", Text{"岐阜県", "Gifu"}},
	{"JP-22", Text{"静岡県", "Shizuoka"}},
	{"JP-23", Text{"愛知県", "Aichi"}},
	{"JP-24", Text{"三重県", "Mie"}},
	{"JP-25", Text{"滋賀県", "Shiga"}},
	{"JP-26", Text{"京都府", "Kyoto"}},
	{"JP-27", Text{"大阪府", "Osaka"}},
	{"JP-28", Text{"兵庫県", "Hyogo"}},
	{"JP-29", Text{"奈良県", "Nara"}},
	{"JP-30", Text{"和歌山県", "Wakayama"}},
	{"JP-31", Text{"鳥取県", "Tottori"}},
	{"JP-32", Text{"島根県", "Shimane"}},
	{"JP-33", Text{"岡山県", "Okayama"}},
	{"JP-34", Text{"広島県", "Hiroshima"}},
	{"JP-35", Text{"山口県", "Yamaguchi"}},
	{"JP-36", Text{"徳島県", "Tokushima"}},
	{"JP-37", Text{"香川県", "Kagawa"}},
	{"JP-38", Text{"愛媛県", "Ehime"}},
	{"JP-39", Text{"高知県", "Kochi"}},
	{"JP-40", Text{"福岡県", "Fukuoka"}},
	{"JP-41", Text{"佐賀県", "Saga"}},
	{"JP-42", Text{"長崎県", "Nagasaki"}},
	{"JP-43", Text{"熊本県", "Kumamoto"}},
	{"JP-44", Text{"大分県", "Oita"}},
	{"JP-45", Text{"宮崎県", "Miyazaki"}},
	{"JP-46", Text{"鹿児島県", "Kagoshima"}},
	{"JP-47", Text{"沖縄県", "Okinawa"}},
}

// RegionLabel returns what people call a region of ISO 3166-1 or 3166-2; of one that is not named here, its country with the
// code.
func RegionLabel(lang web.Lang, code string) string {
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
