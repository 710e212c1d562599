"""How somebody is, from the words in which they say so: 「足の骨を折って動けません」「家族も無事です」「けがはない」.

A wrong all-clear is the worst that this can do. So need goes before safety, and safety counts only where nothing in the
sentence speaks against it; whatever is left over is for a person to read and for the buttons to ask about.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Choice = Literal["safe", "hurt", "rescue"]

_NO = (
    r"(?:ない|なし|無い|無し|なく|なかった|ありません|ありませ|あらへん|ございません|しません|"
    r"してません|していません|"
    r"してない|していない|してへん|せず|ねえ|ねぇ|ねー|ねい|おりません|いません|いない|おらん|"
    r"ません|ゼロ|ぜろ|0)"
)
_SAFE = (
    r"(?:無事|ぶじ|大丈夫|だいじょうぶ|だいじょぶ|だいじょーぶ|だいじです|安全|あんぜん|平気|"
    r"へいき|元気|げんき|"
    r"異常なし|異常ありません|異常ない|なんともない|何ともない|なんともありません|生きて)"
)
_OTHERS = (
    r"(?:母|父|妻|夫|嫁|主人|旦那|子ども|子供|こども|息子|娘|孫|家族|祖母|祖父|親|兄|弟|姉|妹|"
    r"赤ちゃん|同僚|上司|部下|課長|係長|"
    r"部長|主任|職員|隣|近所|住民|市民|利用者|来庁者|児童|生徒|友人|友達|彼|彼女|みんな|けが人|怪我人|負傷者|"
    r"おばあ|おじい|[^、。\s私僕俺]{1,8}(?:さん|君|くん|ちゃん)|ほかの人|他の人|[^、。\s]{0,6}人)"
)
_NOT_SAFE = re.compile(
    _SAFE
    + r"(?:です|だ)?(?:では|じゃ|とは|で|や|と|に)?(?:も|は)?"
    + r"(?:ない|なく|ありません|いえ|言え|ねえ|ねぇ|ねー|あらへん|なかった|ちゃう|へん|いられ|思え)"
    r"|(?:無事|大丈夫)(?:じゃ|で)?ちがう|不安全|危険|(?:not|n't|isn't|"
    r"never)\s*(?:\w+\s+)?(?:safe|ok|okay|fine|good|well|alright|all right)|unsafe"
)
_NEGATED_NEED = re.compile(
    r"(?:けが人|怪我人|けが|怪我|負傷者|負傷|出血|骨折|やけど|火傷|痛み|被害|要救助者?|閉じ込め|"
    r"火事|火災|浸水)(?:など|等|とか|人|した人)?"
    r"(?:は|も|が|では|じゃ|で|られて|られては|して|しては|になって)*"
    + _NO
    + r"|(?:救助|助け|救急車|手当て?)(?:は|も|の|が)*(?:必要|要)?(?:は|が|では|じゃ)*(?:"
    + _NO
    + r"|不要|いりません|要りません|いらない|いらん|結構)"
    r"|動けな(?:い|く)(?:わけ|こと|は)*(?:では|は)*(?:ない|ありません)|(?:痛く|いたく)(?:は|"
    r"も)*(?:ない|ありません)|血は?(?:出て|でて)(?:い)?(?:ない|ません)"
    r"|(?:助けて|たすけて|救助して)(?:もらい|もらっ|いただき|いただい|くれました|くれた)|"
    r"救助され(?:ました|た|て)|助かりました"
    r"|(?:not|no|n't|nobody|without|isn't|never)\s*(?:\w+\s+)?(?:hurt|injur\w*|wounded|trapped|"
    r"bleeding|stuck|need help)|don'?t need (?:help|rescue)"
)
_RESCUE = re.compile(
    r"助けて|たすけて|助け$|たすけ$|助けt|たすけt|助けに|助け(?:を|が)|助けよ|救助|要救助|"
    r"きゅうじょ|救急車|119|救援"
    r"|(?:動|うご|いご|ゆご)け(?:ない|ません|ませ|ぬ|へん|ん|ず|なく|ねえ|ねぇ)|身動き"
    r"|閉じ込め|閉じこめ|とじこめ|閉込|挟まれ|挟まって|はさまれ|はさまって|生き埋め|埋まっ|"
    r"埋もれ|下敷き|したじき"
    r"|(?:出|で|脱出|逃げ|にげ|避難でき|移動でき|動か?せ|歩け|あるけ|立て|たて|"
    r"立ち上がれ)(?:られ|でき|せ)?(?:ない|ません|ませ|へん|ねえ|ねぇ)"
    r"|息が(?:でき|苦|くるし)|意識が|取り残され|とりのこされ|孤立|流され|溺れ|おぼれ|死にそう|しにそう|死ぬ"
    r"|\bsos\b|sos|help me|help us|please help|need(?:s|ed|ing)? (?:help|rescue|an ambulance|"
    r"assistance)|rescue|trapped|stuck|can'?t (?:move|get out|walk|breathe)|cannot (?:move|"
    r"get out|walk|breathe)|ambulance"
)
_BODY = r"(?:骨|足|脚|あし|腕|うで|手|指|頭|あたま|腰|膝|ひざ|肩|背中|胸|顔|体|首|肋骨|鎖骨)"
_HURT = re.compile(
    r"けが|怪我|けか゛|負傷|ふしょう|骨折|こっせつ|" + _BODY + r"(?:の骨)?(?:が|を|も)?(?:強く|"
    r"つよく|ちょっと|少し)?"
    r"(?:折|おれ|おっ|切っ|切れ|きっ|打っ|打ち|うっ|ぶつけ|やられ|やけど|痛|いた[いくみめ]|ひねっ|挟)"
    r"|出血|血が|流血|血だらけ|やけど|火傷|捻挫|ねんざ|打撲|脱臼|痛い|痛く|痛め|いたい|いたくて|"
    r"injur|hurt|bleed|broke|wounded|burn"
)
_ALARMING = re.compile(
    r"火事|火災|火が|煙|けむり|燃え|浸水|水が|津波|土砂|倒壊|崩れ|つぶれ|潰れ|ガス|倒れ|"
    r"行方不明|連絡がつか|連絡が取れ|連絡とれ|危ない|あぶない|危険|やばい|"
    r"苦し|くるし|死ん|重傷|重体|軽傷|けが人|怪我人|負傷者|fire|smoke|flood|gas|collapse|missing|dying|dead"
)
_OTHERS_NEED = re.compile(
    _OTHERS + r"(?:たち|達|ら)?(?:の[^、。]{1,6})?(?:が|も|は|を|の)|(?:けが人|怪我人|負傷者|my (?:mother|"
    r"father|wife|husband|son|daughter|child|kids?|family|colleague)|someone|somebody|he |she |"
    r"they )"
)
_OTHERS_SAFE = re.compile(
    r"(?:" + _OTHERS + r"|家|自宅|実家|建物|庁舎|車|道|学校|職場|電気|水道)(?:たち|達)?(?:は|だけは|が)(?:みな|"
    r"みんな|全員|とりあえず)?"
    + _SAFE
    + r"|my (?:mother|father|wife|husband|son|daughter|child|kids?|family|house|home|"
    r"colleague)\w* (?:is|are) (?:safe|ok|okay|fine)"
)
_SAFE_HERE = re.compile(
    _SAFE + r"|\b(?:i'?m|i am|we are|we're|all|am)?\s*(?:safe|ok|okay|fine|alright|all right|unharmed|unhurt)\b"
)
_UNSURE = re.compile(
    _SAFE + r"(?:です|でしょう|なの|だっ?た?)?(?:か|かな|かどうか|かも|\?)|たぶん|多分|おそらく|"
    r"かもしれ|わからない|分からない|わかりません|分かりません"
    r"|ご無事|お元気|無事で(?:いて|あり|ある)|無事を|無事なら|大丈夫なら|なら大丈夫|"
    r"まで(?:は)?大丈夫|maybe|perhaps|not sure|\?$|か$"
)
_BUT = re.compile(r"が[、,]|ですが|(?<!や)けど|けれど|しかし|ただ|でも|\bbut\b")


@dataclass(frozen=True, slots=True)
class Condition:
    """What words say: the choice that is beyond doubt or None, and whether somebody should read them at once."""

    choice: Choice | None = None
    alarming: bool = False
    whole: bool = False
    """Whether the words say nothing but that somebody is safe."""


def condition(words: str) -> Condition:
    """Read how the writer is, and whether anybody is in need; never `safe` where the words leave a doubt."""
    plain = _plain(words)
    if not plain:
        return Condition()
    negated = _NOT_SAFE.search(plain) is not None
    rest = _NEGATED_NEED.sub("…", _NOT_SAFE.sub("…", plain))
    own, others = None, False
    for clause in re.split(r"[。、,.!\n]|ですが|(?<!や)けど|けれど|\bbut\b|\band\b", rest):
        need: Choice | None = "rescue" if _RESCUE.search(clause) else "hurt" if _HURT.search(clause) else None
        if need is None:
            continue
        if _OTHERS_NEED.search(clause) is not None:
            others = True
        elif need == "hurt" and re.search(r"か$|\?$", clause):
            continue  # けがしましたか asks somebody else
        elif own != "rescue":
            own = need
    if own is not None:
        return Condition(own, alarming=True)
    alarming = others or negated or _ALARMING.search(rest) is not None
    elsewhere = _OTHERS_SAFE.sub("…", rest)
    safe = not negated and _SAFE_HERE.search(elsewhere) is not None and _UNSURE.search(rest) is None
    if not safe:
        return Condition(None, alarming)
    whole = not alarming and _BUT.search(rest) is None and len(plain) <= 24
    return Condition("safe", alarming, whole)


def _plain(words: str) -> str:
    """In one width, one case and hiragana; the blanks of Japanese are left out, those of English are one."""
    text = unicodedata.normalize("NFKC", words[:4000]).casefold().replace("’", "'")
    text = "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in text)
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    text = " ".join(text.split())
    text = re.sub(r"(?<![a-z0-9']) | (?![a-z0-9'])", "", text)
    return text.strip("。、.!~ー…")
