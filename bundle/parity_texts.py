"""The fixed texts on which a prepared embedder is compared with sentence-transformers' own output.

They are what the appliance meets: prose in eight languages and four scripts, numbers, tables, headings, names, code, one word, and texts
longer than any embedder's window. Changing one changes the figures in every manifest, so add rather than edit.
"""

from __future__ import annotations

ENGLISH = (
    "The well was drilled in 1987 and has not been tested since the flood.",
    "Which villages were without electricity after the storm?",
    "A patient who is allergic to penicillin should be given a macrolide instead.",
    "The defendant denied having signed the agreement of 4 March.",
    "water",
    "Chapter 3: Methods",
    "Notwithstanding the foregoing, either party may terminate this lease by giving ninety days' notice in writing to the other.",
    "Interviews were recorded, transcribed and coded by two researchers; disagreements were settled by a third.",
    "What was the median waiting time at the clinic in the dry season?",
    "He never came back, and nobody asked.",
    "Photosynthesis converts carbon dioxide and water into sugar and oxygen, with light as the source of energy.",
    "The committee shall meet at least twice a year. Its minutes are public unless a majority of its members decides otherwise.",
    "Bring a torch, two litres of water, dry socks and the key to the cold store.",
    "Results were inconclusive.",
    "Cholera spreads through contaminated water; boil it for one minute, or add chlorine and wait half an hour.",
)

FRENCH = (
    "Le puits a été creusé en 1987 et n'a pas été contrôlé depuis l'inondation.",
    "Quels villages sont restés sans électricité après la tempête ?",
    "Le bail est conclu pour une durée de trois ans, renouvelable par accord écrit des deux parties.",
    "L'enquête porte sur six cents ménages, tirés au sort dans douze communes rurales.",
    "Il faut consulter un médecin si la fièvre dure plus de trois jours.",
    "Sommaire",
)

SPANISH = (
    "El pozo se perforó en 1987 y no se ha analizado desde la inundación.",
    "¿Qué pueblos se quedaron sin luz después de la tormenta?",
    "La testigo declaró que el camión salió del almacén antes del amanecer.",
    "El contrato podrá rescindirse con un preaviso de noventa días.",
    "Hierva el agua durante un minuto antes de beberla.",
    "La cosecha de maíz cayó un tercio respecto del año anterior.",
)

GERMAN = (
    "Der Brunnen wurde 1987 gebohrt und seit dem Hochwasser nicht mehr geprüft.",
    "Welche Dörfer waren nach dem Sturm ohne Strom?",
    "Die Rechtsschutzversicherung übernimmt die Gerichtskosten nur, wenn sie vorher zugestimmt hat.",
    "Bei Fieber über 39 Grad ist der Arzt zu rufen.",
    "Straßenverkehrsordnung, Paragraf 12: Halten und Parken",
    "Wir haben drei Tage auf den Lastwagen gewartet.",
)

RUSSIAN = (
    "Скважину пробурили в 1987 году и после наводнения не проверяли.",
    "Какие деревни остались без электричества после бури?",
    "Свидетель подтвердил, что письмо было отправлено до начала переговоров.",
    "Кипятите воду не менее одной минуты.",
    "Договор вступает в силу со дня его подписания обеими сторонами.",
    "Температура воздуха ночью опускалась до минус тридцати.",
)

ARABIC = (
    "حُفرت البئر عام 1987 ولم تُفحص منذ الفيضان.",
    "أي القرى بقيت بلا كهرباء بعد العاصفة؟",
    "يجب غلي الماء دقيقة واحدة على الأقل قبل شربه.",
    "قال الشاهد إن الشاحنة غادرت المستودع قبل الفجر.",
    "ينتهي العقد بعد ثلاث سنوات ما لم يتفق الطرفان على تمديده.",
    "المدرسة مغلقة حتى إشعار آخر.",
)

HINDI = (
    "कुआँ 1987 में खोदा गया था और बाढ़ के बाद से उसकी जाँच नहीं हुई है।",
    "तूफ़ान के बाद किन गाँवों में बिजली नहीं थी?",
    "पीने से पहले पानी को कम से कम एक मिनट उबालें।",
    "गवाह ने कहा कि ट्रक सुबह होने से पहले निकल गया था।",
    "यह अनुबंध तीन वर्ष के लिए मान्य है।",
    "बच्चों को खसरे का टीका नौ महीने की उम्र में दिया जाता है।",
)

CHINESE = (
    "这口井于1987年开凿，洪水之后一直没有检测过。",
    "暴风雨过后哪些村庄停电了？",
    "饮用前请将水煮沸至少一分钟。",
    "证人说卡车在天亮之前就离开了仓库。",
    "本合同自双方签字之日起生效，有效期三年。",
    "第二章 研究方法",
)

NUMBERS_AND_MARKS = (
    "42",
    "3.14159 2.71828 1.41421",
    "Invoice no. 2024-00817, total 1,284.50 EUR, due 2024-09-30",
    "| Village | Wells | Tested | Safe |\n|---|---|---|---|\n| Amara | 4 | 4 | 3 |\n| Beni | 7 | 5 | 5 |",
    "Dose: 15 mg/kg every 6 h, at most 4 g in 24 h",
    "12°34'56\"N, 98°07'06\"E, altitude 1 240 m",
    "Tel. +41 22 555 01 99; room 3b; Mon–Fri 09:00–17:30",
    "for row in rows:\n    total += row['amount']",
    "…",
    "!!! WARNING !!! 230 V ~ 50 Hz",
)

LONG = (
    " ".join(ENGLISH),
    " ".join(ENGLISH[:8]) + " " + " ".join(FRENCH),
    " ".join(GERMAN + SPANISH + FRENCH),
    " ".join(RUSSIAN) + " " + " ".join(ENGLISH[8:]),
    "The road to the upper valley was closed by snow. " * 60,
    " ".join(f"Item {number}: {number * 37 % 101} kg of rice, {number * 53 % 97} kg of beans." for number in range(1, 41)),
)

TEXTS: tuple[str, ...] = ENGLISH + FRENCH + SPANISH + GERMAN + RUSSIAN + ARABIC + HINDI + CHINESE + NUMBERS_AND_MARKS + LONG
"""73 texts."""
