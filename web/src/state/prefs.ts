import { ref, watch, type Ref } from 'vue'

/** The two choices that are remembered here: language and colours. */
export type Theme = 'light' | 'dark'
export type Language = 'en' | 'zh-TW'

const LANGUAGE = 'tracesvc.language'
const THEME = 'tracesvc.theme'

/** What was stored; null where the browser keeps nothing, as in some private windows. */
function stored(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // The choice then holds for this visit.
  }
}

function firstLanguage(): Language {
  const kept = stored(LANGUAGE)
  if (kept === 'en' || kept === 'zh-TW') return kept
  return navigator.languages.some((one) => one.toLowerCase().startsWith('zh')) ? 'zh-TW' : 'en'
}

function firstTheme(): Theme {
  const kept = stored(THEME)
  if (kept === 'light' || kept === 'dark') return kept
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

export const language: Ref<Language> = ref(firstLanguage())
export const theme: Ref<Theme> = ref(firstTheme())

watch(
  language,
  (value, before) => {
    document.documentElement.lang = value
    if (before !== undefined) store(LANGUAGE, value)
  },
  { immediate: true },
)

watch(
  theme,
  (value, before) => {
    document.documentElement.dataset['theme'] = value
    if (before !== undefined) store(THEME, value)
  },
  { immediate: true },
)
